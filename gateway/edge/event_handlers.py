"""The handler of event streams."""

from collections.abc import Iterable
from functools import partial

from litestar import Request
from litestar.datastructures import State
from litestar.params import FromPath
from litestar.types import Message, Receive, Scope, Send
from msgspec import Struct

from gateway.events import EventStreams
from gateway.rooms import Caller

from .answers import Header
from .batch import checked
from .exchange import exchange_of

MEDIA_TYPE = "text/event-stream"

_HEADERS = (
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
)


class EventHandlers(Struct, frozen=True):
    """Answers requests for event streams; each needs an authenticated caller."""

    streams: EventStreams

    async def watch(
        self, request: Request[Caller, str, State], live_id: FromPath[str]
    ) -> "EventStream":
        """Stream the events of a room."""
        last_etag = _last_event_id(request.scope["headers"])
        return EventStream(self.streams, request.user, checked(live_id), request.auth, last_etag)


class EventStream(Struct, frozen=True):
    """The response, and the ASGI application that sends it: a head, then events."""

    streams: EventStreams
    caller: Caller
    live_id: str
    token: str
    last_etag: bytes | None

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it. Raises as `EventStreams.open` does, before its head."""
        opened = self.streams.open(self.caller, self.live_id, self.token, self.last_etag)
        async with opened as tell:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            if exchange_of(scope).is_head or await tell(partial(_write, send)):
                await send(_body(b"", more=False))


async def _write(send: Send, piece: bytes) -> None:
    await send(_body(piece, more=True))


def _body(piece: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": piece, "more_body": more}


def _last_event_id(headers: Iterable[Header]) -> bytes | None:
    """Return the `Last-Event-ID` in raw request headers; None for several."""
    given = [value for name, value in headers if name == b"last-event-id"]
    return given[0] if len(given) == 1 else None
