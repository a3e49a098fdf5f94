"""The export of spans, from the application's startup until its shutdown.

A thread exports, so it starts in the process that runs the application, after any fork. At the end
the last spans get two seconds: a collector that hangs delays the gateway's end no longer. The SDK
itself would wait for half a minute, and on the event loop's thread.
"""

import asyncio
import threading
from collections.abc import Callable

from litestar.types import ASGIApp, Message, Receive, Scope, Send
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from .reports import Reports

_LIFESPAN: str = "lifespan"

_PAUSE, _PAUSES = 0.01, 200
"""The wait for the last spans: seconds, and how often."""


def exporting(
    app: ASGIApp, provider: TracerProvider, begin: Callable[[], SpanProcessor], reports: Reports
) -> ASGIApp:
    """Return `app`; while it runs, the processor of `begin` exports the spans of `provider`."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != _LIFESPAN:
            await app(scope, receive, send)
            return

        async def finishing(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await _finish(provider)
            await send(message)

        reports.begin()
        provider.add_span_processor(begin())
        try:
            await app(scope, receive, finishing)
        finally:
            reports.end()

    return application


async def _finish(provider: TracerProvider) -> None:
    thread = threading.Thread(target=provider.shutdown, name="last-spans", daemon=True)
    thread.start()
    for _ in range(_PAUSES):
        if not thread.is_alive():
            return
        await asyncio.sleep(_PAUSE)
