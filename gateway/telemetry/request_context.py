"""The request being served: its id, and its upstream calls so far.

A context variable, so no function between edge and upstream has to pass the id on. A task inherits
the context of the code that started it: a shared read belongs to the request that began it.
"""

from contextvars import ContextVar

from msgspec import Struct


class UpstreamCall(Struct, frozen=True, gc=False):
    """The reply to one call: its code and request id, None without a usable reply."""

    code: int | None
    request_id: str | None


class RequestContext:
    """A request being served; `calls` lists its upstream calls in the order they ended."""

    __slots__ = ("calls", "request_id")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.calls: tuple[UpstreamCall, ...] = ()

    def enter(self) -> None:
        """Make this the request being served, here and in tasks started from here."""
        _current.set(self)


_current: ContextVar[RequestContext | None] = ContextVar("request_context", default=None)


def current_request_id() -> str:
    """Return the id of the request being served; empty outside of one."""
    context = _current.get()
    return "" if context is None else context.request_id


def current_calls() -> tuple[UpstreamCall, ...]:
    """Return the upstream calls of the request being served so far."""
    context = _current.get()
    return () if context is None else context.calls


def note_call(call: UpstreamCall) -> None:
    """Add a call to the request being served, if there is one."""
    context = _current.get()
    if context is not None:
        context.calls += (call,)
