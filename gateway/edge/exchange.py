"""One request and its response, beside the messages of ASGI.

Every response carries the same headers: the request's id, and decisions made on the way, such as
rate limits. They are kept here, where every step can add to them, so that an error raised later
carries them as well.

A stream is a response that lasts as long as its client likes: one of unknown length, whose head has
no `Content-Length` although its status allows a body, or one with a large body. It leaves the
requests in flight with its head.
"""

from collections.abc import Awaitable, Callable, Iterable

from litestar.types import HTTPResponseBodyEvent, Message, Scope, Send

from gateway.telemetry import RequestContext

from .answers import Answer, Header
from .in_flight import InFlight
from .outgoing import SMALL, Outgoing

NOSNIFF = (b"x-content-type-options", b"nosniff")
_WITHOUT_BODY = frozenset({204, 205, 304})


class Exchange(RequestContext):
    """Sends the response to one request over `send`; `status` is None until it has begun.

    `method` is GET for a HEAD, and then `is_head` is true. `then` is run once the application has
    returned: so a stream that lasts for long keeps nothing of the application.

    For the records: the caller's `user_id`; the `cache` status of the room sent; `replayed` for the
    outcome of an earlier create; the reason why the token was `refused`; `streams` from the head of
    a stream; `cut` if the client did not read a stream, or all of a large body.
    """

    __slots__ = (
        *("_headers", "_outgoing", "_send", "cache", "cut", "in_flight", "is_head", "method"),
        *("refused", "replayed", "status", "streams", "then", "user_id"),
    )

    def __init__(
        self, request_id: str, method: str, send: Send, in_flight: InFlight, outgoing: Outgoing
    ) -> None:
        super().__init__(request_id)
        self.is_head = method == "HEAD"
        self.method = "GET" if self.is_head else method
        self.in_flight = in_flight
        self.status: int | None = None
        self.then: Callable[[], Awaitable[None]] | None = None
        self.user_id: str | None = None
        self.cache: str | None = None
        self.replayed = False
        self.refused: str | None = None
        self.streams = False
        self.cut = False
        self._send = send
        self._outgoing = outgoing
        self._headers: tuple[Header, ...] = ((b"x-request-id", request_id.encode()), NOSNIFF)

    def add_headers(self, *headers: Header) -> None:
        """Add headers to the response, on success and on error."""
        self._headers += headers

    async def answer(self, answer: Answer) -> None:
        """Send a whole answer."""
        self.status = answer.status
        self.cache = answer.cache
        start, body = answer.messages(self._headers)
        await self._send(start)
        if len(answer.body) > SMALL:
            await self._send_large(answer.body)
        else:
            await self._send(body)

    async def send(self, message: Message) -> None:
        """Send a message of the application's."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = (*message["headers"], *self._headers)
            message["headers"] = headers
            if is_stream(self.status, headers):
                self._leave()
        elif message["type"] == "http.response.body" and _is_large(message):
            await self._send_large(message["body"])
            return
        await self._send(message)

    async def _send_large(self, body: bytes) -> None:
        self._leave()
        self.cut = not await self._outgoing.send(body, self._send)

    def _leave(self) -> None:
        self.streams = True
        self.in_flight.depart(self.user_id, self)


def is_stream(status: int, headers: Iterable[Header]) -> bool:
    """Return True for the head of a response of unknown length."""
    return status not in _WITHOUT_BODY and all(name != b"content-length" for name, _ in headers)


def _is_large(message: HTTPResponseBodyEvent) -> bool:
    return len(message["body"]) > SMALL and not message.get("more_body")


def exchange_of(scope: Scope) -> Exchange:
    """Return the exchange that the outer layer opened for this request."""
    exchange: Exchange = scope["state"]["exchange"]
    return exchange
