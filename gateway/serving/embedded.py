"""One server inside a running event loop."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from granian.server.embed import Server

from gateway.threads import drain_native_threads

from .graceful_shutdown import Application
from .granian_private import bound_unread_at
from .limits import options
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
        port = reserved.getsockname()[1]
        server = Server(app, LOOPBACK, port, log_enabled=False, **options())
        task = asyncio.create_task(server.serve())
        try:
            await _accepting(port, task)
            bound_unread_at(port)
            yield port
        finally:
            server.stop()
            await task
            await drain_native_threads()


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
