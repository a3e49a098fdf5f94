"""One server inside a running event loop, on any system: it needs no fork and no Unix socket."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from gateway.threads import drain_native_threads

from .granian_private import Application, EmbeddedServer
from .limits import KEEPALIVE
from .port import LOOPBACK, bind_alone


@asynccontextmanager
async def listening(
    app: Application, port: int, keepalive: float = KEEPALIVE
) -> AsyncGenerator[int]:
    """Serve `app` on loopback in this event loop until the block ends.

    Yields the port, a free one for 0. Raises PortTaken, or granian's FatalError if `app` cannot
    start.
    """
    listener = bind_alone(LOOPBACK, port)
    port = listener.getsockname()[1]
    server = EmbeddedServer(app, listener, keepalive)
    task = asyncio.create_task(server.serve())
    try:
        await _accepting(port, task)
        yield port
    finally:
        server.stop()  # type: ignore[no-untyped-call]  # granian is half typed
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
