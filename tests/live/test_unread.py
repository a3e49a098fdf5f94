"""Clients that do not read their answers, on real sockets: what they hold, and how they end."""

import asyncio
import fcntl
import io
import json
import os
import socket
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.edge import InFlight, Recorder
from gateway.edge.answers import Answer
from gateway.edge.front import Front
from gateway.edge.outgoing import Outgoing
from gateway.metrics import Metrics
from gateway.serving import listening
from gateway.telemetry import AccessLog, SharedMetrics, as_json, build_logger, families
from tests.live.fault_server import Exchange, enveloped, reply, room, serving
from tests.live.gateways import BOB, Gateway, gateway_at
from tests.telemetry.counts import nonzero
from tests.waiting import LIMIT, until

LARGE = 900_000
READS = {
    "fast path": "/v1/rooms/1",
    "usual way": "/v1/rooms?id=1",
    "docs": "/docs/swagger-ui-bundle.js",
}


async def large_rooms(exchange: Exchange) -> None:
    """Answer with rooms of nearly a megabyte."""
    await exchange.write(reply(enveloped({**room(exchange.live_id), "title": "x" * LARGE})))


async def deaf(port: int, path: str) -> socket.socket:
    """Return the connection of a client that asks for `path` and reads one byte of the answer."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(0)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", port))
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {BOB}\r\n\r\n"
    await loop.sock_sendall(connection, head.encode())
    assert await loop.sock_recv(connection, 1) == b"H"
    return connection


def accepted_from(client: socket.socket) -> socket.socket:
    """Return the server's side of a connection, which is in this process."""
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            candidate = socket.socket(fileno=os.dup(int(each.name)))
            with suppress(OSError):
                if candidate.getpeername() == client.getsockname():
                    return candidate
            candidate.close()
    raise AssertionError("no such connection")


@pytest.mark.skipif(sys.platform != "linux", reason="needs options of Linux")
async def test_the_system_keeps_little_of_an_answer() -> None:
    """Of a megabyte that nobody reads a small part is kept, for 25 s."""
    async with serving(large_rooms) as server, gateway_at(server.url) as gateway:
        with await deaf(gateway.port, READS["usual way"]) as client, accepted_from(client) as kept:
            await gateway.client.get("/healthz")
            size = fcntl.ioctl(kept, termios.TIOCOUTQ, struct.pack("i", 0))
            assert struct.unpack("i", size)[0] < LARGE / 10
            assert kept.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 25_000


@pytest.mark.parametrize("path", READS.values(), ids=READS)
async def test_who_does_not_read_is_not_in_flight(path: str) -> None:
    """Many such clients take no place, and others are served."""
    async with (
        serving(large_rooms) as server,
        gateway_at(server.url, MAX_CONCURRENCY="2") as gateway,
    ):
        await gateway.read("1")
        with ExitStack() as clients:
            for _ in range(6):
                clients.enter_context(await deaf(gateway.port, path))
            assert len((await gateway.read("2")).json()["title"]) == LARGE
            assert (await gateway.read("1")).status_code == 200
            await until(lambda: requests(gateway) == 3)
        await until(lambda: requests(gateway) == 9)


def requests(gateway: Gateway) -> int:
    """Return how many requests have ended."""
    return int(sum(nonzero(gateway.block, Metrics.http_requests).values()))


class Impatient:
    """A Front that sends a large answer in time, by the fast path or by the application."""

    def __init__(self, seconds: float, *, fast: bool) -> None:
        self.block = SharedMetrics(families(Metrics))
        self._log = io.BytesIO()
        metrics = Metrics(self.block)
        recorder = Recorder(
            metrics.http_requests,
            metrics.http_duration,
            metrics.http_problems,
            metrics.replays,
            AccessLog(as_json(self._log), caller_id=str.upper),
            build_logger("info", "json", self._log),
        )
        answer = Answer(200, ((b"content-length", b"%d" % LARGE),), b"x" * LARGE)

        async def fast_path(*_request: Any) -> Answer | None:
            return answer if fast else None

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await answer(scope, receive, send)
                return
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})

        self.front = Front(
            application,
            fast_path,
            InFlight(1),
            Outgoing(seconds=seconds),
            recorder,
            new_id=lambda: "id",
        )

    @property
    def log(self) -> list[Any]:
        """The lines that were logged."""
        return [json.loads(line) for line in self._log.getvalue().splitlines()]


@asynccontextmanager
async def impatient(seconds: float, *, fast: bool) -> AsyncIterator[tuple[Impatient, int]]:
    """Run one; give it and its port."""
    made = Impatient(seconds, fast=fast)
    async with listening(made.front, 0) as port:
        yield made, port


@pytest.mark.parametrize("fast", [True, False])
async def test_an_answer_that_is_not_read_is_cut(*, fast: bool) -> None:
    """The request ends without an error, counts as gone, and the connection is closed."""
    async with impatient(0.1, fast=fast) as (server, port):
        with await deaf(port, "/") as client:
            await until(lambda: len(server.log) == 1)
            assert (server.log[0]["event"], server.log[0]["status"]) == ("request", 200)
            assert server.log[0]["cut"] is True
            [labels] = nonzero(server.block, Metrics.http_requests)
            assert labels[-1] == "gone"
            received = 0
            with suppress(ConnectionError):
                while data := await asyncio.get_running_loop().sock_recv(client, 65536):
                    received += len(data)
            assert received < LARGE


@pytest.mark.parametrize("fast", [True, False])
async def test_an_answer_that_is_read_is_whole(*, fast: bool) -> None:
    """A large answer comes whole to whoever reads it, also on a kept connection."""
    async with impatient(LIMIT, fast=fast) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"content-length: %d\r\n" % LARGE in head
            assert await reader.readexactly(LARGE) == b"x" * LARGE
        writer.close()
        await until(lambda: len(server.log) == 3)
        assert not any("cut" in line for line in server.log)
