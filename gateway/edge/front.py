"""The outermost layer: what holds for every request, whatever answers it.

The framework's own middleware does not run for a 404 or 405, so this is a plain ASGI application
around it. It gives each request an id, caps the body, lets HEAD be answered as GET (the server
drops the body), turns an escaped exception into a problem, adds the headers that every response
has, and writes one access line.
"""

import re
import time
from collections.abc import Callable

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, HTTPScope, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from .problems import BodyTooLarge, Rendered, render

MAX_BODY = 65536
"""Bytes a request body may have."""

_CLIENT_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}\Z")


def request_id_of(scope: Scope) -> str:
    """Return the id that the outer layer gave to this request."""
    request_id: str = scope["state"]["request_id"]
    return request_id


class Front:
    """Wraps the application; `new_id` makes request ids, `timer` counts seconds."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        log: FilteringBoundLogger,
        access_log: bool,
        new_id: Callable[[], str],
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app
        self._log = log
        self._access_log = access_log
        self._new_id = new_id
        self._timer = timer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        request_id = _client_id(scope) or self._new_id()
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        method = scope["method"]
        if method == "HEAD":
            scope["method"] = "GET"
        started = self._timer()
        reply = _Reply(send, request_id)
        try:
            await self._app(scope, _capped(receive), reply.send)
        except Exception as error:
            self._log.exception("request_failed", request_id=request_id)
            if reply.status is not None:
                raise
            await reply.render(render(error, request_id))
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
    """Adds the headers of every response and remembers the status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._headers = [
            (b"x-request-id", request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
        ]
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *self._headers]
        await self._send(message)

    async def render(self, rendered: Rendered) -> None:
        headers = [(name.encode(), value.encode()) for name, value in rendered.headers.items()]
        headers.append((b"content-length", str(len(rendered.body)).encode()))
        await self.send(
            {"type": "http.response.start", "status": rendered.status, "headers": headers}
        )
        await self.send({"type": "http.response.body", "body": rendered.body, "more_body": False})


def _client_id(scope: HTTPScope) -> str | None:
    given = [value for name, value in scope["headers"] if name == b"x-request-id"]
    return given[0].decode() if len(given) == 1 and _CLIENT_ID.match(given[0]) else None


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
