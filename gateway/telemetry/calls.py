"""What a request has caused upstream, for its access line.

The calls of a request are made deep below the layer that writes the line, some in tasks of their
own, which have the context of who started them. Requests that share another's call made none.
"""

from contextvars import ContextVar

from msgspec import Struct


class UpstreamCall(Struct, frozen=True, gc=False):
    """One call's reply: its code and request id, None where there was no such reply."""

    code: int | None
    request_id: str | None


_calls: ContextVar[list[UpstreamCall] | None] = ContextVar("upstream_calls", default=None)


def note_calls() -> list[UpstreamCall]:
    """Return a list that gets the calls made from now on in this context."""
    calls: list[UpstreamCall] = []
    _calls.set(calls)
    return calls


def note_call(call: UpstreamCall) -> None:
    """Note a call for the request that is being served, if there is one."""
    calls = _calls.get()
    if calls is not None:
        calls.append(call)
