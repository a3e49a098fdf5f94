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
        self._clients: dict[asyncio.StreamWriter, None] = {}  # the one here longest is first

    async def run(self, listener: socket.socket, stop: asyncio.Event) -> None:
        """Serve until `stop` is set."""
        async with await asyncio.start_server(self._serve, sock=listener, limit=_HEAD_SIZE):
            await stop.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._make_room()
        self._clients[writer] = None
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                async with asyncio.timeout(_TIMEOUT):
                    await _send(writer, self._answer(await reader.readuntil(_HEAD_END)))
        finally:
            self._clients.pop(writer, None)
            writer.transport.abort()

    def _make_room(self) -> None:
        if len(self._clients) >= _CLIENTS:
            oldest = next(iter(self._clients))
            del self._clients[oldest]
            oldest.transport.abort()

    def _answer(self, head: bytes) -> bytes:
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


async def _send(writer: asyncio.StreamWriter, response: bytes) -> None:
    """Send a response, and end the connection also if a new worker has inherited it."""
    writer.transport.set_write_buffer_limits(0)
    writer.write(response)
    await writer.drain()
    writer.write_eof()


def _response(
    status: HTTPStatus, headers: str = "", *, body: bytes = b"", media_type: str = _TEXT
) -> bytes:
    body = body or f"{status.phrase}\n".encode()
    head = (
        f"HTTP/1.1 {status} {status.phrase}\r\nServer: gateway\r\nConnection: close\r\n"
        f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    )
    return head.encode() + body
