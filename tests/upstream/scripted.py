"""A TCP server that answers as a script says, and what the vendor's SDK says of a request.

The server reads HTTP/1.1 requests and keeps their bytes; the script writes whatever bytes it likes
in reply, so it can break every rule of the protocol.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
from qiniu import QiniuMacAuth
from qiniu.utils import canonical_mime_header_key

from gateway.upstream import QiniuAuth, Send, Transport, attempt, build_transport

AK, SK = "access-key", "secret-key"
PUSH_URL = "rtmp://push.example.test/live/1?token=canary"
ROOM = {
    "live_id": "1",
    "title": "Friday",
    "extends": None,
    "anchor_info": {"user_id": "alice", "extends": None},
    "live_status": 1,
    "push_url": PUSH_URL,
}


@dataclass(frozen=True)
class Exchange:
    """One request as received, and the connection it came on."""

    raw: bytes
    connection: int
    writer: asyncio.StreamWriter

    @property
    def target(self) -> str:
        """Return the target of the request line."""
        return self.raw.split(b" ", 2)[1].decode()

    async def write(self, data: bytes) -> None:
        """Send `data` as it is."""
        self.writer.write(data)
        await self.writer.drain()

    async def drip(self, data: bytes) -> None:
        """Send one byte of `data` every 20 ms until the other side has gone."""
        for byte in data:
            await self.write(bytes([byte]))
            await asyncio.sleep(0.02)

    def close(self) -> None:
        """End the connection in good order."""
        self.writer.close()

    def reset(self) -> None:
        """End the connection with a RST."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Script = Callable[[Exchange], Awaitable[None]]


@dataclass
class Server:
    """A running server: its base URL, the requests it got and how many connections."""

    script: Script
    url: str = ""
    received: list[Exchange] = field(default_factory=list)
    connections: int = 0
    open: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side ends it."""
        self.connections += 1
        connection = self.connections
        task = asyncio.current_task()
        assert task is not None
        self.open[task] = writer
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                exchange = Exchange(await _read_request(reader), connection, writer)
                self.received.append(exchange)
                await self.script(exchange)
        writer.close()
        del self.open[task]

    async def stop(self) -> None:
        """End every connection and wait for its task."""
        tasks = list(self.open)
        for writer in self.open.values():
            writer.transport.abort()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[Server]:
    """Run a server with this script on a free port."""
    server = Server(script)
    listener = await asyncio.start_server(server.accept, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        await server.stop()


@asynccontextmanager
async def connecting(
    connections: int = 2, *, max_body: int = 1_000_000
) -> AsyncIterator[Transport]:
    """Return the gateway's own transport with a pool of this size."""
    transport = build_transport(connections=connections, max_body=max_body, user_agent="tests")
    try:
        yield transport
    finally:
        await transport.aclose()


def sender(transport: Transport, *, seconds: float = 10.0) -> Send:
    """Return the gateway's own pipeline of one attempt."""
    return attempt(transport, QiniuAuth(AK, SK), timeout=seconds)


@asynccontextmanager
async def sending(*, seconds: float = 10.0, max_body: int = 1_000_000) -> AsyncIterator[Send]:
    """Return that pipeline over a transport of its own."""
    async with connecting(max_body=max_body) as transport:
        yield sender(transport, seconds=seconds)


def answering(data: bytes, *, close: bool = False) -> Script:
    """Return a script that answers every request with these bytes."""

    async def answer(exchange: Exchange) -> None:
        await exchange.write(data)
        if close:
            exchange.close()

    return answer


async def silence(_: Exchange) -> None:
    """Accept a request and say nothing."""


def reply(body: bytes, status: int = 200, headers: str = "Content-Type: application/json") -> bytes:
    """Return an HTTP reply with its right length; `headers` are lines."""
    lines = "\r\n".join(line for line in headers.splitlines() if line)
    head = f"HTTP/1.1 {status} Scripted\r\n{lines}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def enveloped(data: object = None, code: int = 0, message: str = "") -> bytes:
    """Return the vendor's envelope as JSON."""
    return msgspec.json.encode(
        {"request_id": "up-1", "code": code, "message": message, "data": data}
    )


def sdk_authorization(
    method: str, target: str, headers: dict[str, str], body: bytes, keys: tuple[str, str]
) -> str:
    """Return the Authorization value that the vendor's SDK makes for a request."""
    mac = QiniuMacAuth(*keys)
    named = {canonical_mime_header_key(name): value for name, value in headers.items()}
    token = mac.token_of_request(
        method,
        named["Host"],
        f"http://ignored{target}",
        mac.qiniu_headers(named),
        named.get("Content-Type"),
        body,
    )
    return f"Qiniu {token}"


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    return head + await reader.readexactly(lengths[0] if lengths else 0)
