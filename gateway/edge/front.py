"""The outermost layer: everything that holds for every request.

The framework's own middleware does not run for a 404 or 405, so this is a plain ASGI application
around it. Each request gets an id, is counted among those in flight, and leaves one access line.
A preflight is answered here, most reads by the fast path, the rest by the application. An exception
becomes a problem. HEAD is answered as GET; the server drops the body.

- A hit, which is answered from memory, is over in one step, and has no `Exchange`: all that holds
  for it is in `__call__`, in one piece, because each call costs. Everything else is `_exchanged`.
- A read, and a stream that it begins, is cancelled when its client leaves. A write goes on, because
  it may have happened; a create is not begun for a client that has left.
- With too many requests in flight, another is refused at once. The health routes never are: a
  probe that failed would end a gateway that is merely busy.
- A stream leaves the requests in flight with its head. A handler that streams is given
  the event `draining` and ends by itself; nothing here cuts it.
- A large body whose client does not read is cut (`outgoing`): the server closes a connection whose
  response ends early. So it does where a bad body comes beside an answer that has begun.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from msgspec import Struct

from gateway.rooms import ClientGone, GatewayError, Overloaded, is_request_id
from gateway.telemetry import UNMATCHED

from .answers import Answer, Header
from .cors import Cors
from .exchange import NOSNIFF, Exchange
from .in_flight import InFlight
from .incoming import MAX_HEADERS, Incoming, require_few
from .outgoing import Outgoing
from .paths import LONGEST_PATH, PROBES
from .problems import NotFound, render
from .protected_resource import ProtectedResource
from .recorder import Recorder

FastPath = Callable[[HTTPScope, Receive, Mapping[bytes, bytes], Exchange], Awaitable[Answer | None]]
"""Answers a request with these headers, none of them repeated; None leaves it to the application.

It raises the errors of the application.
"""

Hit = Callable[[str, Mapping[bytes, bytes], tuple[Header, ...]], tuple[Answer, str] | None]
"""Answers a GET of a path from memory, with more headers, and names the user; else it is None.

None of the request's headers is repeated.
"""


def _no_hit(*_: object) -> None:
    """Have nothing in memory."""


# An attribute of an enumeration is slow.
_HTTP: Final = ScopeType.HTTP
_GET: Final = HttpMethod.GET
_HEAD: Final = HttpMethod.HEAD


class Front(Struct):
    """Wraps the application; `new_id` makes request ids, `timer` counts seconds.

    `cors` is None if nothing depends on the origin or on cookies. A 401 names the metadata of
    `resource`.
    """

    app: ASGIApp
    fast_path: FastPath
    in_flight: InFlight
    outgoing: Outgoing
    recorder: Recorder
    new_id: Callable[[], str]
    hit: Hit = _no_hit
    cors: Cors | None = None
    resource: ProtectedResource | None = None
    timer: Callable[[], float] = time.perf_counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != _HTTP:
            await self.app(scope, receive, send)
            return
        started = self.timer()
        raw = list(scope["headers"])
        headers = dict(raw)
        named = b"x-request-id" in headers
        request_id = (named and _client_id(raw, headers)) or self.new_id()
        hit = None
        if scope["method"] == _GET and len(headers) == len(raw) <= MAX_HEADERS:
            more = ((b"x-request-id", request_id.encode()), NOSNIFF)
            try:
                hit = self.in_flight.is_free and self.hit(scope["path"], headers, more)
            except Exception as error:  # noqa: BLE001  # a fault of the short way: the usual one answers
                self.recorder.hit_failed(request_id, error)
        if not hit:
            await self._exchanged(scope, receive, send, raw, headers, request_id, started)
            return
        answer, user_id = hit
        if self.cors is not None:
            answer.headers = self.cors.permit(answer.headers, headers.get(b"origin"))
        start, body = answer.messages()
        self.in_flight.enter(answer)
        try:
            await send(start)
            await send(body)
        finally:
            self.in_flight.leave(answer)
            self.recorder.hit(request_id, answer, user_id, self.timer() - started)

    async def _exchanged(
        self,
        scope: HTTPScope,
        receive: Receive,
        send: Send,
        raw: Sequence[Header],
        headers: Mapping[bytes, bytes],
        request_id: str,
        started: float,
    ) -> None:
        """Answer any request, whatever comes of it."""
        method = scope["method"]
        if method == _HEAD:
            scope["method"] = _GET
        cors = self.cors
        origin = None if cors is None else _only(b"origin", raw, headers)
        if cors is not None:
            send = cors.wrap(send, origin)
        exchange = Exchange(request_id, method, send, self.in_flight, self.outgoing)
        exchange.enter()
        self.in_flight.enter(exchange)
        try:
            answer = None if cors is None else cors.preflight(scope["method"], headers, origin)
            if answer is None:
                self._require_admission(scope, raw)
                if len(headers) == len(raw):
                    answer = await self.fast_path(scope, receive, headers, exchange)
            if answer is None:
                await self._by_application(scope, receive, headers, exchange)
            else:
                await exchange.answer(answer)
        except ClientGone:
            pass
        except Exception as error:
            self.recorder.failed(error, exchange)
            if not await self._told(error, exchange, raw):
                raise
            error.__traceback__ = None  # the frames in it hold the error, and the request's body
        finally:
            self.in_flight.leave(exchange)
            route = scope.get("path_template") or UNMATCHED
            self.recorder.ended(exchange, method, route, self.timer() - started)

    def _require_admission(self, scope: HTTPScope, raw: Sequence[Header]) -> None:
        if self.in_flight.full(scope["method"]) and scope["path"] not in PROBES:
            raise Overloaded
        require_few(raw)

    async def _by_application(
        self, scope: HTTPScope, receive: Receive, headers: Mapping[bytes, bytes], exchange: Exchange
    ) -> None:
        if len(scope["path"]) > LONGEST_PATH:  # the framework keeps each path that fits a route
            raise NotFound
        incoming = Incoming(receive, headers, exchange)
        state = {"exchange": exchange, "incoming": incoming}
        scope["state"] = {**scope.get("state", {}), **state}
        answered = self._answered(scope, incoming, exchange)
        await (incoming.while_connected(answered) if exchange.method == _GET else answered)

    async def _answered(self, scope: HTTPScope, incoming: Incoming, exchange: Exchange) -> None:
        await self.app(scope, incoming.receive, exchange.send)
        if exchange.then is not None:
            await exchange.then()

    async def _told(self, error: Exception, exchange: Exchange, raw: Sequence[Header]) -> bool:
        """Send a problem; return False for an unexpected error in a response that has begun."""
        if exchange.status is not None:
            return isinstance(error, GatewayError)
        metadata = None if self.resource is None else self.resource.metadata_url(raw)
        await exchange.answer(render(error, exchange.request_id, metadata))
        return True


def _client_id(raw: Sequence[Header], headers: Mapping[bytes, bytes]) -> str | None:
    given = _only(b"x-request-id", raw, headers)
    if given is None:
        return None
    text = given.decode("latin-1")
    return text if is_request_id(text) else None


def _only(wanted: bytes, raw: Sequence[Header], headers: Mapping[bytes, bytes]) -> bytes | None:
    """Return the value of a header that is not repeated."""
    value = headers.get(wanted)
    if value is None or len(raw) == len(headers):
        return value
    return value if [name for name, _ in raw].count(wanted) == 1 else None
