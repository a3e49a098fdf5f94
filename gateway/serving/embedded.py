"""One server inside a running event loop."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from gateway.threads import drain_native_threads

from .graceful_shutdown import Application
from .limits import BACKLOG, connections, http1
from .port import LOOPBACK, PortTaken, require_free


@asynccontextmanager
async def listening(app: Application, port: int) -> AsyncGenerator[int]:
    """Serve `app` on loopback in this event loop until the block ends.

    Yields the port, a free one for 0. Raises PortTaken.
    """
    if port:
        require_free(LOOPBACK, port)
    with socket.socket() as reserved:  # bound, never listening: no other process gets it
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
            await drain_native_threads()


def _embedded(app: Application, port: int) -> Server:
    return Server(
        app,
        LOOPBACK,
        port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        backpressure=connections(),
        http1_settings=http1(),
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
    raise PortTaken(f"the server on port {port} stopped before it listened")
