"""A TCP server that answers as a script says: the upstream on its worst day.

The server reads HTTP/1.1 requests and keeps their bytes; the script writes whatever bytes it likes
in reply, so it can break every rule of the protocol. Scripts for each threat are in `faults`.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import msgspec

from tests.waiting import LIMIT

PUSH_URL = "rtmp://push.example.test/live/1?token=canary"
ANCHOR = {"user_id": "alice", "im_userid": 0, "nick": "", "avatar": "", "extends": None}
ROOM: dict[str, object] = {
    "live_id": "1",
    "title": "Friday",
    "notice": "",
    "cover_url": "",
    "extends": None,
    "anchor_info": ANCHOR,
    "anchor_status": 0,
    "pk_id": "",
    "online_count": 0,
    "start_time": 0,
    "end_time": 0,
    "chat_id": 0,
    "push_url": PUSH_URL,
    "hls_url": "",
    "rtmp_url": "",
    "flv_url": "",
    "pv": 0,
    "uv": 0,
    "live_status": 1,
}
CREATED = "created"
"""The id of every room that `rooms` creates."""

_LONGEST_REQUEST = 1 << 20


@dataclass(frozen=True)
class Exchange:
    """One request as received, and the connection it came on."""

    raw: bytes
    connection: int
    writer: asyncio.StreamWriter

    @property
    def method(self) -> str:
        """Return the method of the request line."""
        return self.raw.split(b" ", 1)[0].decode()

    @property
    def target(self) -> str:
        """Return the target of the request line."""
        return self.raw.split(b" ", 2)[1].decode()

    def header(self, name: str) -> str:
        """Return the value of a header, whose name is in lower case; it must be there once."""
        head = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1")
        fields = [line.partition(":") for line in head.split("\r\n")[1:]]
        [value] = [value.strip() for given, _, value in fields if given.lower() == name]
        return value

    @property
    def live_id(self) -> str:
        """Return the id that a read is about."""
        return self.target.rpartition("/")[2]

    @property
    def user_ids(self) -> list[str]:
        """Return the ids in a look-up of users; none for another request."""
        path, _, query = self.target.partition("?")
        return parse_qs(query)["user_ids"] if path == "/server/user/infos" else []

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

    def half_close(self) -> None:
        """Say that nothing more will come, and go on listening."""
        self.writer.get_extra_info("socket").shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """End the connection with a RST."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Script = Callable[[Exchange], Awaitable[None]]


@dataclass
class Server:
    """A running server: its base URL, the requests it got and how many connections.

    `script` may be changed while it runs. `greeting` runs as soon as there is a connection, with
    an empty request. A connection that no request came on counts as well. Look-ups of users are
    answered here, as of a vendor who knows everybody, and not kept, unless `scripts_users`.
    """

    script: Script
    greeting: Script | None = None
    scripts_users: bool = False
    url: str = ""
    received: list[Exchange] = field(default_factory=list)
    connections: int = 0
    listener: asyncio.Server | None = None
    open: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    def targets(self, method: str = "GET") -> list[str]:
        """Return what was asked for with `method`, in order."""
        return [each.target for each in self.received if each.method == method]

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side ends it."""
        self.connections += 1
        connection = self.connections
        task = asyncio.current_task()
        assert task is not None
        self.open[task] = writer
        over = asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError
        with contextlib.suppress(*over):  # `stop` cancels, and nobody waits for more than the end
            if self.greeting:
                await self.greeting(Exchange(b"", connection, writer))
            while not writer.is_closing():
                exchange = Exchange(await _read_request(reader), connection, writer)
                if exchange.user_ids and not self.scripts_users:
                    await knows_everybody(exchange)
                    continue
                self.received.append(exchange)
                await self.script(exchange)
        writer.close()
        del self.open[task]

    def stop_listening(self) -> None:
        """Accept no more connections, and go on answering on those that are open."""
        assert self.listener is not None
        self.listener.close()

    async def stop(self) -> None:
        """End every connection and wait for its task."""
        tasks = list(self.open)
        for task, writer in self.open.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def serving(
    script: Script,
    *,
    tls: ssl.SSLContext | None = None,
    held: socket.socket | None = None,
    scripts_users: bool = False,
) -> AsyncIterator[Server]:
    """Run a server with this script on a free port, or on a socket that is `held` already.

    With `tls` it goes by the name of `localhost`.
    """
    server = Server(script, scripts_users=scripts_users)
    server.listener = await asyncio.start_server(
        server.accept, sock=held or free_socket(), ssl=tls, limit=_LONGEST_REQUEST
    )
    server.url = url_of(server.listener.sockets[0], tls=tls is not None)
    try:
        yield server
    finally:
        server.stop_listening()
        await server.stop()


def free_socket() -> socket.socket:
    """Return a socket that holds a free port; as long as nobody listens, it refuses connections."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    return held


def url_of(held: socket.socket, *, tls: bool = False) -> str:
    """Return the base URL of what listens on a socket."""
    port = held.getsockname()[1]
    return f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"


def answering(data: bytes, *, close: bool = False) -> Script:
    """Return a script that answers every request with these bytes."""

    async def answer(exchange: Exchange) -> None:
        await exchange.write(data)
        if close:
            exchange.close()

    return answer


async def silence(_: Exchange) -> None:
    """Accept a request and say nothing."""


async def rooms(exchange: Exchange) -> None:
    """Answer like a healthy vendor: every room exists and is alice's, every write succeeds."""
    live_id = exchange.live_id if exchange.method == "GET" else CREATED
    await exchange.write(reply(enveloped(room(live_id))))


async def knows_everybody(exchange: Exchange) -> None:
    """Answer a look-up of users with all of them."""
    known = [{**ANCHOR, "user_id": each} for each in exchange.user_ids]
    await exchange.write(reply(enveloped(known)))


class Held:
    """A healthy vendor that keeps every request waiting until it is let go."""

    def __init__(self) -> None:
        self._arrived = asyncio.Semaphore(0)
        self.let_go = asyncio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        """Wait, then answer."""
        self._arrived.release()
        await self.let_go.wait()
        await rooms(exchange)

    async def arrived(self, count: int) -> None:
        """Wait until so many more requests are here."""
        async with asyncio.timeout(LIMIT):
            for _ in range(count):
                await self._arrived.acquire()


def room(live_id: str) -> dict[str, object]:
    """Return a room of alice's that can be told from any other by several of its fields."""
    return {
        **ROOM,
        "live_id": live_id,
        "title": f"title of {live_id}",
        "extends": {"room": live_id},
        "hls_url": f"https://play.example.test/{live_id}.m3u8",
    }


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


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    return head + await reader.readexactly(lengths[0] if lengths else 0)
