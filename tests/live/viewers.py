"""Viewers over plain sockets: fast enough for thousands of reads, and able to leave at any moment.

A common client would reconnect, retry or wait in a pool of its own; here one connection is one
viewer, and what it got is what was sent on it.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from msgspec import Struct

from tests.live.gateways import BOB

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: (\d+)")


class Answer(Struct, frozen=True):
    """The status and body of an answer."""

    status: int
    body: bytes


class Viewer:
    """A kept connection to the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, path: str, bearer: str = BOB) -> Answer:
        """Send a request and read its answer."""
        self.ask(path, bearer)
        return await self.answer()

    async def post(self, path: str, body: object, bearer: str = BOB) -> Answer:
        """Send a request with a JSON body and read its answer."""
        content = msgspec.json.encode(body)
        request = (
            f"POST {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {bearer}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        self._writer.write(request.encode() + content)
        return await self.answer()

    def ask(self, path: str, bearer: str = BOB) -> None:
        """Send a request; its answer is for later."""
        request = f"GET {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {bearer}\r\n\r\n"
        self._writer.write(request.encode())

    async def answer(self) -> Answer:
        """Read one answer."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await self._reader.readexactly(int(length[1]) if length else 0)
        return Answer(int(head.split(b" ", 2)[1]), body)

    def leave(self) -> None:
        """Break the connection off, whatever is under way."""
        self._writer.transport.abort()


@asynccontextmanager
async def viewer_at(port: int) -> AsyncIterator[Viewer]:
    """Connect a viewer to the gateway on this port of loopback."""
    viewer = Viewer(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield viewer
    finally:
        viewer.leave()
