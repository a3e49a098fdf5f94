"""The request being served: its id, its upstream calls so far, its waits for the shared store.

A context variable, so no function between edge and upstream has to pass the id on. A task inherits
the context of the code that started it: a shared read belongs to the request that began it.
"""

from contextvars import ContextVar

from msgspec import Struct


class UpstreamCall(Struct, frozen=True, gc=False):
    """The reply to one call: its code and request id, None without a usable reply.

    A request id that was sent for this call alone is known without a reply.
    """

    code: int | None
    request_id: str | None


class RequestContext:
    """A request being served; `calls` lists its upstream calls in the order they ended."""

    __slots__ = ("_waited", "_waiting", "calls", "request_id")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.calls: tuple[UpstreamCall, ...] = ()
        self._waited = 0.0
        self._waiting = 0

    def enter(self) -> None:
        """Make this the request being served, here and in tasks started from here."""
        _current.set(self)

    def waited(self, now: float) -> float:
        """Return the seconds that the request has waited for the shared store, up to `now`.

        Waits at the same time count once.
        """
        return self._waited + (now if self._waiting else 0.0)

    def begin_wait(self, now: float) -> None:
        """Note that it begins to wait."""
        if not self._waiting:
            self._waited -= now
        self._waiting += 1

    def end_wait(self, now: float) -> None:
        """Note that a wait has ended."""
        self._waiting -= 1
        if not self._waiting:
            self._waited += now


_current: ContextVar[RequestContext | None] = ContextVar("request_context", default=None)


def current_request() -> RequestContext | None:
    """Return the request being served; None outside of one."""
    return _current.get()


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
