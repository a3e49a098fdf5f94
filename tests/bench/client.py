"""An HTTP/1.1 client for the soak, able to misbehave; one request at a time."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from msgspec import Struct

_PATIENCE = 10.0
"""Seconds for a whole answer."""

_BODILESS = frozenset({204, 304})


class Answer(Struct, frozen=True):
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(Exception):
    """The connection ended, or time ran out, before the whole answer came."""


class Connection:
    """A kept connection to a server, from the address `source`."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self._port = port
        self._source = source
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, *pieces: bytes, pause: float = 0.0) -> Answer:
        """Send a request, in pieces with a pause between them; raise NoAnswer."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._send(pieces, pause)
                return await self._answer()
        except (OSError, EOFError, TimeoutError) as error:
            self.drop()
            raise NoAnswer(repr(error)) from error

    async def abandon(self, *pieces: bytes, after: float) -> None:
        """Send a request or a part of one, and disconnect `after` seconds in any case."""
        with suppress(OSError):
            await self._send(pieces, 0)
            await asyncio.sleep(after)
        self.drop()

    def drop(self) -> None:
        """Disconnect."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def _send(self, pieces: Sequence[bytes], pause: float) -> None:
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                "127.0.0.1", self._port, local_addr=(self._source, 0)
            )
        first, *rest = pieces
        self._streams[1].write(first)
        for piece in rest:
            await asyncio.sleep(pause)
            self._streams[1].write(piece)

    async def _answer(self) -> Answer:
        if self._streams is None:
            raise ConnectionError("nothing was sent")
        reader, _ = self._streams
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        named = (line.partition(":") for line in lines if line)
        headers = {name.lower(): value.strip() for name, _, value in named}
        status = int(first.split(" ")[1])
        length = 0 if status in _BODILESS else int(headers.get("content-length", "0"))
        body = await reader.readexactly(length)
        if headers.get("connection", "").lower() == "close":
            self.drop()
        return Answer(status, headers, body)


def request(
    method: str, path: str, bearer: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> bytes:
    """Return the bytes of a request; the body is JSON unless a header says otherwise."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench"]
    if bearer:
        lines.append(f"Authorization: Bearer {bearer}")
    if body:
        headers = {"Content-Type": "application/json", **(headers or {})}
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if method in {"POST", "PUT", "PATCH"}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
