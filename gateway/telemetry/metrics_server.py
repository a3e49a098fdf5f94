"""The private listener: a thread of the supervisor that answers scrapes.

One event loop serves all clients, so that a crowd of them costs no threads. Each has a few seconds
for its request and the answer. If there are too many, the one that has waited longest gives way: a
scrape needs milliseconds. No header is parsed, and nothing that a client does is logged.
"""

import asyncio
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from threading import Thread
from typing import cast

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

_TIMEOUT = 10.0
"""Seconds for a request and its answer."""

_CLIENTS = 100
"""Clients at once."""

_HEAD_SIZE = 8192
"""Bytes of a request's head."""

_HEAD_END = b"\r\n\r\n"
_REQUEST_LINE = re.compile(rb"([A-Z]+) (/[^ ?]*)(?:\?[^ ]*)? HTTP/1\.[01]\r\n")
_TEXT = "text/plain; charset=utf-8"


@contextmanager
def metrics_at(listener: socket.socket, collector: Collector) -> Iterator[None]:
    """Answer scrapes on `listener` until the block is left, and close it. Raises OSError."""
    os.register_at_fork(after_in_child=listener.close)  # a worker must not hold the port
    stop = asyncio.Event()
    runner = asyncio.Runner(loop_factory=asyncio.SelectorEventLoop)
    loop = runner.get_loop()
    server = _MetricsServer(collector)
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
    def __init__(self, collector: Collector) -> None:
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

    def answer(self, head: bytes) -> bytes:
        """Return the whole response to a request."""
        request = _REQUEST_LINE.match(head)
        if request is None:
            return _response(HTTPStatus.BAD_REQUEST)
        method, path = request.groups()
        if path != b"/metrics":
            return _response(HTTPStatus.NOT_FOUND)
        if method != b"GET":
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, "Allow: GET\r\n")
        metrics = generate_latest(self._registry)
        return _response(HTTPStatus.OK, body=metrics, media_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Client(asyncio.Protocol):
    """One connection: a request, and its answer."""

    def __init__(self, server: _MetricsServer) -> None:
        self._server = server
        self._head = bytearray()
        self._answered = False
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take in the client."""
        self._transport = cast("asyncio.Transport", transport)
        self._timer = asyncio.get_running_loop().call_later(_TIMEOUT, self.leave)
        self._server.enter(self)

    def data_received(self, data: bytes) -> None:
        """Answer once the head is whole."""
        self._head += data
        if self._answered:
            return
        if _HEAD_END in self._head:
            self._answered = True
            self._transport.pause_reading()
            self._transport.write(self._server.answer(bytes(self._head)))
            self._transport.close()  # after the last byte
        elif len(self._head) > _HEAD_SIZE:
            self.leave()

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


def _response(
    status: HTTPStatus, headers: str = "", *, body: bytes = b"", media_type: str = _TEXT
) -> bytes:
    body = body or f"{status.phrase}\n".encode()
    head = (
        f"HTTP/1.1 {status} {status.phrase}\r\nServer: gateway\r\nConnection: close\r\n"
        f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    )
    return head.encode() + body
