"""The outermost layer: what holds for every request, whatever answers it.

The framework's own middleware does not run for a 404 or 405, so this is a plain ASGI application
around it. It gives each request an id, tries the fast path, hands the rest to the application with
its body capped, lets HEAD be answered as GET (the server drops the body), turns every exception
into a problem, adds the headers that each response has, and writes one access line.
"""

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.types import (
    ASGIApp,
    HTTPReceiveMessage,
    HTTPScope,
    Message,
    Receive,
    Scope,
    Send,
)
from structlog.typing import FilteringBoundLogger

from gateway.rooms import GatewayError

from .answers import Answer, Header
from .problems import BodyTooLarge, render

MAX_BODY = 65536
"""Bytes a request body may have."""

FastPath = Callable[[HTTPScope, Mapping[bytes, bytes], str], Awaitable[Answer | None]]
"""Answers a request with these headers and this id, or leaves it; raises as the application would.

It is asked only where no header stands twice.
"""

_CLIENT_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}\Z")
_NOSNIFF = (b"x-content-type-options", b"nosniff")


def request_id_of(scope: Scope) -> str:
    """Return the id that the outer layer gave to this request."""
    request_id: str = scope["state"]["request_id"]
    return request_id


class Front:
    """Wraps the application; `new_id` makes request ids, `timer` counts seconds."""

    def __init__(
        self,
        app: ASGIApp,
        fast_path: FastPath,
        *,
        log: FilteringBoundLogger,
        access_log: bool,
        new_id: Callable[[], str],
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app
        self._fast_path = fast_path
        self._log = log
        self._access_log = access_log
        self._new_id = new_id
        self._timer = timer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        started = self._timer()
        method = scope["method"]
        if method == "HEAD":
            scope["method"] = "GET"
        raw = list(scope["headers"])
        headers = dict(raw)
        request_id = _client_id(raw, headers) or self._new_id()
        reply = _Reply(send, request_id)
        try:
            answer = None
            if len(headers) == len(raw):
                answer = await self._fast_path(scope, headers, request_id)
            if answer is None:
                scope["state"] = {**scope.get("state", {}), "request_id": request_id}
                await self._app(scope, _capped(receive), reply.send)
            else:
                await reply.answer(answer)
        except Exception as error:
            if not isinstance(error, GatewayError | HTTPException):
                self._log.exception("request_failed", request_id=request_id)
            if reply.status is not None:
                raise
            await reply.answer(render(error, request_id))
        finally:
            if self._access_log:
                self._log.info(
                    "request",
                    request_id=request_id,
                    method=method,
                    route=scope.get("path_template") or "unmatched",
                    status=reply.status,
                    milliseconds=round((self._timer() - started) * 1000, 2),
                )


class _Reply:
    """Sends a response with the headers that all have, and remembers its status."""

    __slots__ = ("_common", "_send", "status")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._common = ((b"x-request-id", request_id.encode()), _NOSNIFF)
        self.status: int | None = None

    async def answer(self, answer: Answer) -> None:
        """Send all of an answer."""
        self.status = answer.status
        await answer.deliver(self._send, self._common)

    async def send(self, message: Message) -> None:
        """Pass on a message of the application's."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = (*message["headers"], *self._common)
        await self._send(message)


def _client_id(raw: Sequence[Header], headers: Mapping[bytes, bytes]) -> str | None:
    given = headers.get(b"x-request-id")
    if given is None or not _CLIENT_ID.match(given):
        return None
    return given.decode() if [name for name, _ in raw].count(b"x-request-id") == 1 else None


def _capped(receive: Receive) -> Receive:
    """Raise BodyTooLarge as soon as more than MAX_BODY bytes have come in."""
    seen = 0

    async def capped() -> HTTPReceiveMessage:
        nonlocal seen
        message: HTTPReceiveMessage = await receive()  # type: ignore[assignment]  # HTTP only
        if message["type"] == "http.request":
            seen += len(message["body"])
            if seen > MAX_BODY:
                raise BodyTooLarge
        return message

    return capped
