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


class Exporting:
    """`app`; while it runs, the processor that `begin` returns exports the spans of `provider`."""

    def __init__(
        self,
        app: ASGIApp,
        provider: TracerProvider,
        begin: Callable[[], SpanProcessor],
        reports: Reports,
    ) -> None:
        self._app = app
        self._provider = provider
        self._begin = begin
        self._reports = reports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != _LIFESPAN:
            await self._app(scope, receive, send)
            return

        async def finishing(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await self._finish()
            await send(message)

        self._reports.begin()
        self._provider.add_span_processor(self._begin())
        try:
            await self._app(scope, receive, finishing)
        finally:
            self._reports.end()

    async def _finish(self) -> None:
        thread = threading.Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
        thread.start()
        for _ in range(_PAUSES):
            if not thread.is_alive():
                return
            await asyncio.sleep(_PAUSE)
