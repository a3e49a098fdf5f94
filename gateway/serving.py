"""The HTTP server, granian: supervised workers for `serve`, one in this process for the sandbox.

HTTP/1.1 and ASGI only. granian shares a port between processes (SO_REUSEPORT), so a port that is
already taken would go unnoticed; `require_free` looks first.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import ceil

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from gateway.threads import foreign_calls_returned

Application = Callable[..., Awaitable[None]]
"""An ASGI application."""

LOOPBACK = "127.0.0.1"

_BACKLOG = 4096
"""Connections the system may hold until they are accepted; its own bound is usually the same."""

_CONNECTIONS = 1_000_000
"""Connections a worker accepts: as many as there are descriptors.

granian's default is the backlog, and everyone beyond waits unanswered behind idle viewers.
"""


class PortTaken(Exception):
    """Nothing can listen there; the text says where and why."""


def require_free(host: str, port: int) -> None:
    """Raise PortTaken unless `host`:`port` can be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror}") from error


def serve(target: str, host: str, port: int, *, workers: int, grace: float) -> None:
    """Run `target`, an application factory by its import path, until SIGTERM or SIGINT.

    A worker that dies is replaced; one that has not ended `grace` seconds after the signal is
    killed.
    """
    Granian(
        target,
        host,
        port,
        interface=Interfaces.ASGI,
        workers=workers,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        backpressure=_CONNECTIONS,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=max(1, ceil(grace)),
        factory=True,
    ).serve()


@asynccontextmanager
async def listening(app: Application, port: int) -> AsyncGenerator[int]:
    """Serve `app` on loopback in this event loop until the block is left.

    Gives the port, a free one for 0. Raises PortTaken.
    """
    if port:
        require_free(LOOPBACK, port)
    with socket.socket() as reserved:  # bound, never listening: nobody else is given the port
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind((LOOPBACK, port))
        server = _embedded(app, reserved.getsockname()[1])
        task = asyncio.create_task(server.serve())
        try:
            await _accepting(server.bind_port, task)
            yield server.bind_port
        finally:
            server.stop()
            await task
            await foreign_calls_returned()


def _embedded(app: Application, port: int) -> Server:
    return Server(
        app,
        LOOPBACK,
        port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        backpressure=_CONNECTIONS,
        log_enabled=False,
    )


async def _accepting(port: int, server: asyncio.Task[None]) -> None:
    while not server.done():
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            await asyncio.sleep(0.005)
        else:
            writer.close()
            await writer.wait_closed()
            return
    await server
    raise PortTaken(f"the server on port {port} ended before it listened")
