"""The outermost layer: what holds for every request, whatever answers it.

The framework's own middleware does not run for a 404 or 405, so this is a plain ASGI application
around it. It gives each request an id, counts it among those in flight, answers preflights, tries
the fast path, hands the rest to the application with what comes in bounded, lets HEAD be answered
as GET (the server drops the body), turns every exception into a problem, tells browsers who may
read the response, counts it and writes one access line.

A read whose client goes away ends there and then; a write goes on, because it may have happened.
Where too many are in flight, a request is refused at once. The health routes never are: who probes
them would end a gateway that is merely busy.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from litestar.enums import HttpMethod, ScopeType
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from gateway.rooms import GatewayError, is_request_id
from gateway.telemetry import UNMATCHED, Telemetry

from .answers import Answer, Header
from .connected import ClientGone, while_connected
from .cors import Cors
from .exchange import Exchange
from .in_flight import InFlight
from .incoming import IncomingBody, require_few
from .paths import PROBES
from .problems import Overloaded, code_of, render

FastPath = Callable[[HTTPScope, Mapping[bytes, bytes], Exchange], Answer | Awaitable[Answer] | None]
"""Answers a request with these headers, at once or later, or leaves it; raises as the app would.

It is asked only where no header stands twice.
"""

_GONE = "gone"


class Front:
    """Wraps the application; `new_id` makes request ids, `timer` counts seconds.

    `cors` is None where nothing depends on the origin or on cookies.
    """

    def __init__(
        self,
        app: ASGIApp,
        fast_path: FastPath,
        in_flight: InFlight,
        *,
        cors: Cors | None = None,
        telemetry: Telemetry,
        new_id: Callable[[], str],
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app
        self._fast_path = fast_path
        self._in_flight = in_flight
        self._cors = cors
        self._log = telemetry.log
        self._access_log = telemetry.access_log
        self._metrics = telemetry.metrics
        self._new_id = new_id
        self._timer = timer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        started = self._timer()
        method = scope["method"]
        if method == HttpMethod.HEAD:
            scope["method"] = HttpMethod.GET
        raw = list(scope["headers"])
        headers = dict(raw)
        request_id = _client_id(raw, headers) or self._new_id()
        if self._cors is not None:
            send = self._cors.wrap(send, _only(b"origin", raw, headers))
        exchange = Exchange(request_id, scope["method"], send)
        exchange.enter()
        self._in_flight.enter()
        try:
            quick = self._quick(scope, raw, headers, exchange)
            if isinstance(quick, Answer):
                await exchange.answer(quick)
            elif quick is not None:
                await exchange.answer(await while_connected(quick, receive))
            else:
                await self._usual(scope, headers, receive, exchange)
        except ClientGone:
            pass
        except Exception as error:
            self._note(error, exchange)
            if exchange.status is not None:
                raise
            await exchange.answer(render(error, exchange.request_id))
            error.__traceback__ = None  # the frames in it hold the error, and the request's body
        finally:
            self._in_flight.leave()
            route = scope.get("path_template") or UNMATCHED
            self._record(exchange, method, route, self._timer() - started)

    def _quick(
        self,
        scope: HTTPScope,
        raw: Sequence[Header],
        headers: Mapping[bytes, bytes],
        exchange: Exchange,
    ) -> Answer | Awaitable[Answer] | None:
        if self._cors is not None:
            origin = _only(b"origin", raw, headers)
            preflight = self._cors.preflight(scope["method"], headers, origin)
            if preflight is not None:
                return preflight
        if self._in_flight.too_many and scope["path"] not in PROBES:
            raise Overloaded
        require_few(raw)
        return self._fast_path(scope, headers, exchange) if len(headers) == len(raw) else None

    async def _usual(
        self,
        scope: HTTPScope,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        exchange: Exchange,
    ) -> None:
        scope["state"] = {**scope.get("state", {}), "exchange": exchange}
        body = IncomingBody(receive, headers, self._in_flight)
        answered = self._app(scope, body.receive, exchange.send)
        await (while_connected(answered, receive) if exchange.method == "GET" else answered)

    def _note(self, error: Exception, exchange: Exchange) -> None:
        self._metrics.http_problems.inc(code_of(error))
        if isinstance(error, GatewayError):
            exchange.replayed = error.replayed
        elif not isinstance(error, HTTPException):
            self._log.error("request_failed", request_id=exchange.request_id, exc_info=error)

    def _record(self, exchange: Exchange, method: str, route: str, seconds: float) -> None:
        status = _GONE if exchange.status is None else str(exchange.status)
        self._metrics.http_requests.inc(route, method, status)
        self._metrics.http_duration.observe(seconds, route)
        if exchange.replayed:
            self._metrics.replays.inc()
        if self._access_log is not None:
            self._access_log.write(
                request_id=exchange.request_id,
                method=method,
                route=route,
                status=exchange.status,
                seconds=seconds,
                user_id=exchange.user_id,
                cache=exchange.cache,
                calls=exchange.calls,
            )


def _client_id(raw: Sequence[Header], headers: Mapping[bytes, bytes]) -> str | None:
    given = _only(b"x-request-id", raw, headers)
    text = "" if given is None else given.decode("latin-1")
    return text if is_request_id(text) else None


def _only(wanted: bytes, raw: Sequence[Header], headers: Mapping[bytes, bytes]) -> bytes | None:
    """Return the value of a header that stands once."""
    value = headers.get(wanted)
    if value is None or len(raw) == len(headers):
        return value
    return value if [name for name, _ in raw].count(wanted) == 1 else None
