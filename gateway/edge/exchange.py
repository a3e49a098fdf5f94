"""One request and its response, beside the messages of ASGI.

Every response carries the same headers: the request's id, and decisions made on the way, such as
rate limits. They are kept here, where every step can add to them, so that an error raised later
carries them as well.

A stream is a response of unknown length: its head has no `Content-Length`, although its status
allows a body. It may last for hours, so it leaves the requests in flight with its head.
"""

from collections.abc import Iterable

from litestar.types import Message, Scope, Send

from gateway.telemetry import RequestContext

from .answers import Answer, Header
from .in_flight import InFlight

_NOSNIFF = (b"x-content-type-options", b"nosniff")
_WITHOUT_BODY = frozenset({204, 205, 304})


class Exchange(RequestContext):
    """Sends the response to one request over `send`; `status` is None until it has begun.

    `method` is GET for a HEAD. For the records: the caller's `user_id`; the `cache` status of the
    room sent; `replayed` for the outcome of an earlier create; `streams` from the head of a stream.
    """

    __slots__ = (
        *("_headers", "_send", "cache", "in_flight", "method", "replayed"),
        *("status", "streams", "user_id"),
    )

    def __init__(self, request_id: str, method: str, send: Send, in_flight: InFlight) -> None:
        super().__init__(request_id)
        self.method = method
        self.in_flight = in_flight
        self.status: int | None = None
        self.user_id: str | None = None
        self.cache: str | None = None
        self.replayed = False
        self.streams = False
        self._send = send
        self._headers: tuple[Header, ...] = ((b"x-request-id", request_id.encode()), _NOSNIFF)

    def add_headers(self, *headers: Header) -> None:
        """Add headers to the response, on success and on error."""
        self._headers += headers

    async def answer(self, answer: Answer) -> None:
        """Send a whole answer."""
        self.status = answer.status
        self.cache = answer.cache
        start, body = answer.messages(self._headers)
        await self._send(start)
        await self._send(body)

    async def send(self, message: Message) -> None:
        """Send a message of the application's."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = (*message["headers"], *self._headers)
            message["headers"] = headers
            if is_stream(self.status, headers):
                self.streams = True
                self.in_flight.depart(self.user_id, self)
        await self._send(message)


def is_stream(status: int, headers: Iterable[Header]) -> bool:
    """Return True for the head of a response of unknown length."""
    return status not in _WITHOUT_BODY and all(name != b"content-length" for name, _ in headers)


def exchange_of(scope: Scope) -> Exchange:
    """Return the exchange that the outer layer opened for this request."""
    exchange: Exchange = scope["state"]["exchange"]
    return exchange
