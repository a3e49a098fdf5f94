"""The private listener: a thread of the supervisor that answers scrapes, and an operator.

One event loop serves all clients, so that a crowd of them costs no threads. Each has a few seconds
for its request and the answer. If there are too many, the one that has waited longest gives way: a
scrape needs milliseconds. For a scrape no header is parsed, and no body is read. Nothing that a
client does is logged here.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from threading import Thread
from typing import Protocol, cast

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from .private_request import Header, PrivateRequest, body_length, headers_in, request_line

_TIMEOUT = 10.0
"""Seconds for a request and its answer."""

_CLIENTS = 100
"""Clients at once."""

_HEAD_SIZE = 8192
"""Bytes of a request's head."""

_HEAD_END = b"\r\n\r\n"
_TEXT = b"text/plain; charset=utf-8"
_ADMIN = b"/admin/"


class Response(Protocol):
    """A response with its length among its headers, whose names are in lower case."""

    @property
    def status(self) -> int:
        """The status."""

    @property
    def headers(self) -> tuple[Header, ...]:
        """The headers."""

    @property
    def body(self) -> bytes:
        """The body."""


Admin = Callable[[PrivateRequest], Response]
"""Answers requests for paths under `/admin/`. Raises nothing."""


@contextmanager
def metrics_at(
    listener: socket.socket, collector: Collector, admin: Admin | None = None
) -> Iterator[None]:
    """Answer scrapes on `listener` until the block is left, and close it. Raises OSError.

    Without `admin` there is no such path.
    """
    os.register_at_fork(after_in_child=listener.close)  # a worker must not hold the port
    stop = asyncio.Event()
    runner = asyncio.Runner(loop_factory=asyncio.SelectorEventLoop)
    loop = runner.get_loop()
    server = _MetricsServer(collector, admin)
    thread = Thread(target=_run, args=(runner, server, listener, stop), name="metrics")
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def _run(
    runner: asyncio.Runner, server: "_MetricsServer", listener: socket.socket, stop: asyncio.Event
) -> None:
    with runner:
        runner.run(server.run(listener, stop))


class _MetricsServer:
    def __init__(self, collector: Collector, admin: Admin | None) -> None:
        self._admin = admin
        self._registry = CollectorRegistry()
        self._registry.register(collector)
        self._clients: dict[_Client, None] = {}  # the one here longest is first

    async def run(self, listener: socket.socket, stop: asyncio.Event) -> None:
        """Serve until `stop` is set."""
        loop = asyncio.get_running_loop()
        async with await loop.create_server(lambda: _Client(self), sock=listener):
            await stop.wait()
            loop.remove_reader(listener)  # asyncio leaks what it accepts while a server closes
            await _turns()
            for each in tuple(self._clients):
                each.leave()
            await _turns()

    def enter(self, client: "_Client") -> None:
        """Take in a client; the one here longest gives way if there are too many."""
        if len(self._clients) >= _CLIENTS:
            next(iter(self._clients)).leave()
        self._clients[client] = None

    def leave(self, client: "_Client") -> None:
        """Forget a client."""
        self._clients.pop(client, None)

    def begin(self, head: bytes) -> "_Request":
        """Return a request, whose body is still to come."""
        line = request_line(head)
        if line is None:
            return _Request(lambda _: _text(HTTPStatus.BAD_REQUEST))
        method, path = line
        if self._admin is not None and path.startswith(_ADMIN):
            return _for_admin(self._admin, method, path, headers_in(head))
        if path != b"/metrics":
            return _Request(lambda _: _text(HTTPStatus.NOT_FOUND))
        if method != b"GET":
            return _Request(lambda _: _text(HTTPStatus.METHOD_NOT_ALLOWED, (b"allow", b"GET")))
        return _Request(lambda _: self._scrape())

    def _scrape(self) -> bytes:
        kind = CONTENT_TYPE_PLAIN_0_0_4.encode()
        return _text(HTTPStatus.OK, body=generate_latest(self._registry), media_type=kind)


@dataclass(frozen=True)
class _Request:
    """A request: `answer` returns the whole response, once `length` bytes of body are there.

    `length` is None for a body that is not read.
    """

    answer: Callable[[bytes | None], bytes]
    length: int | None = 0


def _for_admin(
    admin: Admin, method: bytes, path: bytes, headers: tuple[Header, ...] | None
) -> _Request:
    if headers is None:
        return _Request(lambda _: _text(HTTPStatus.BAD_REQUEST))

    def answer(body: bytes | None) -> bytes:
        request = PrivateRequest(method.decode(), path.decode("latin-1"), headers, body)
        response = admin(request)
        return _response(HTTPStatus(response.status), response.headers, response.body)

    return _Request(answer, body_length(headers))


class _Client(asyncio.Protocol):
    """One connection: a request, and its answer."""

    def __init__(self, server: _MetricsServer) -> None:
        self._server = server
        self._received = bytearray()
        self._request: _Request | None = None
        self._answered = False
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take in the client."""
        self._transport = cast("asyncio.Transport", transport)
        self._timer = asyncio.get_running_loop().call_later(_TIMEOUT, self.leave)
        self._server.enter(self)

    def data_received(self, data: bytes) -> None:
        """Answer once the request is whole."""
        if self._answered:
            return  # the rest of a body that is not read
        self._received += data
        if self._request is None:
            self._read_head()
        if self._request is not None and len(self._received) >= (self._request.length or 0):
            self._answer(self._request)

    def _read_head(self) -> None:
        head, end, rest = self._received.partition(_HEAD_END)
        if end and len(head) <= _HEAD_SIZE:
            self._request = self._server.begin(bytes(head + end))
            self._received = rest
        elif len(head) > _HEAD_SIZE:
            self.leave()

    def _answer(self, request: _Request) -> None:
        self._answered = True
        length = request.length
        body = None if length is None else bytes(self._received[:length])
        self._transport.write(request.answer(body))
        if body is None:
            self._transport.write_eof()  # closing now would reset the connection: there is more
        else:
            self._transport.pause_reading()
            self._transport.close()  # after the last byte

    def connection_lost(self, _: Exception | None) -> None:
        """End the connection, also if a new worker has inherited it."""
        with suppress(OSError):
            self._transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._timer.cancel()
        self._server.leave(self)

    def leave(self) -> None:
        """Close the connection at once."""
        self._server.leave(self)
        self._transport.abort()


async def _turns() -> None:
    """Let the event loop finish what it has begun: opening a connection takes it three turns."""
    for _ in range(5):
        await asyncio.sleep(0)


def _text(
    status: HTTPStatus, *headers: Header, body: bytes = b"", media_type: bytes = _TEXT
) -> bytes:
    body = body or f"{status.phrase}\n".encode()
    described = (b"content-type", media_type), (b"content-length", b"%d" % len(body))
    return _response(status, (*described, *headers), body)


def _response(status: HTTPStatus, headers: tuple[Header, ...], body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} {status.phrase}\r\nserver: gateway\r\n".encode()
    lines = [b"%b: %b\r\n" % header for header in headers if header[0] != b"connection"]
    return b"".join([head, b"connection: close\r\n", *lines, b"\r\n", body])
