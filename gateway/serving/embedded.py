"""One server inside a running event loop."""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from gateway.threads import drain_native_threads

from .graceful_shutdown import Application
from .granian_private import EmbeddedServer
from .port import LOOPBACK, bind


@asynccontextmanager
async def listening(app: Application, port: int) -> AsyncGenerator[int]:
    """Serve `app` on loopback in this event loop until the block ends.

    Yields the port, a free one for 0. Raises PortTaken, or granian's FatalError if `app` cannot
    start.
    """
    listener = bind(LOOPBACK, port)
    port = listener.getsockname()[1]
    started = asyncio.Event()
    server = EmbeddedServer(_announcing(app, started), listener)
    task = asyncio.create_task(server.serve())
    try:
        await _until_started(started, task)
        yield port
    finally:
        server.stop()  # type: ignore[no-untyped-call]  # granian is half typed
        await task
        await drain_native_threads()


def _announcing(app: Application, started: asyncio.Event) -> Application:
    """Return `app`, setting `started` at the end of its startup."""

    async def announcing(scope: MutableMapping[str, Any], receive: object, send: Any) -> None:  # noqa: ANN401  # ASGI's
        async def sending(message: MutableMapping[str, Any]) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                started.set()

        await app(scope, receive, sending if scope["type"] == "lifespan" else send)

    return announcing


async def _until_started(started: asyncio.Event, server: asyncio.Task[None]) -> None:
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({waiting, server}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not started.is_set():
        await server
