"""The handler of event streams."""

from collections.abc import Iterable
from functools import partial
from typing import Final

from litestar import Request
from litestar.datastructures import State
from litestar.params import FromPath
from litestar.types import Message, Receive, Scope, Send
from msgspec import Struct

from gateway.events import EventStreams, Watch
from gateway.rooms import Caller
from gateway.secret import Secret

from .answers import Header
from .batch import checked
from .exchange import Exchange, exchange_of

MEDIA_TYPE = "text/event-stream"

_START: Final = "http.response.start"
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
        watch = Watch(request.user, checked(live_id), Secret(request.auth), last_etag)
        return EventStream(self.streams, watch)


class EventStream(Struct, frozen=True):
    """The response: a head, then events, sent once the application has returned."""

    streams: EventStreams
    watch: Watch

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        """Have it sent."""
        exchange = exchange_of(scope)
        exchange.then = partial(self._send, exchange)

    async def _send(self, exchange: Exchange) -> None:
        """Send it. Raises as `EventStreams.serve` does, before its head."""
        begin, write = partial(_begin, exchange), partial(_write, exchange)
        exchange.cut = not await self.streams.serve(self.watch, begin, write)
        if not exchange.cut:
            await exchange.send(_body(b"", more=False))


async def _begin(exchange: Exchange) -> bool:
    await exchange.send({"type": _START, "status": 200, "headers": _HEADERS})
    return not exchange.is_head


async def _write(exchange: Exchange, piece: bytes) -> None:
    await exchange.send(_body(piece, more=True))


def _body(piece: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": piece, "more_body": more}


def _last_event_id(headers: Iterable[Header]) -> bytes | None:
    """Return the `Last-Event-ID` in raw request headers; None for several."""
    given = [value for name, value in headers if name == b"last-event-id"]
    return given[0] if len(given) == 1 else None
