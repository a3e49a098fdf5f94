"""One request and its response: what is known of it beside the messages of ASGI.

Whatever answers a request, the response carries the same headers: its id, and what was decided
about it on the way. So they are kept here, where every step can add to them, and an error raised
later carries them as well.
"""

from litestar.types import Message, Scope, Send

from gateway.telemetry import RequestContext

from .answers import Answer, Header

_NOSNIFF = (b"x-content-type-options", b"nosniff")


class Exchange(RequestContext):
    """Sends the response to one request over `send`; `status` is None until it has begun.

    `method` is what it is answered as: GET for a HEAD. The rest is for the records: `user_id` is
    the caller's, `cache` says where a room came from, None where that is not known; `replayed` that
    an earlier create was answered again.
    """

    __slots__ = (
        *("_headers", "_send", "cache", "method", "replayed"),
        *("status", "user_id"),
    )

    def __init__(self, request_id: str, method: str, send: Send) -> None:
        super().__init__(request_id)
        self.method = method
        self.status: int | None = None
        self.user_id: str | None = None
        self.cache: str | None = None
        self.replayed = False
        self._send = send
        self._headers: tuple[Header, ...] = ((b"x-request-id", request_id.encode()), _NOSNIFF)

    def add_headers(self, *headers: Header) -> None:
        """Add headers to the response, whatever it will be."""
        self._headers += headers

    async def answer(self, answer: Answer) -> None:
        """Send all of an answer."""
        self.status = answer.status
        self.cache = answer.cache
        await answer.deliver(self._send, self._headers)

    async def send(self, message: Message) -> None:
        """Pass on a message of the application's."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = (*message["headers"], *self._headers)
        await self._send(message)


def exchange_of(scope: Scope) -> Exchange:
    """Return the exchange that the outer layer opened for this request."""
    exchange: Exchange = scope["state"]["exchange"]
    return exchange
