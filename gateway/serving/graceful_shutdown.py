"""The graceful shutdown of a worker.

1. SIGTERM starts draining. The worker still serves, but /readyz says 503 and every response closes
   its connection.
2. New connections are refused.
3. Shortly after, or at once on SIGINT, granian stops: it closes idle connections and waits for
   responses in flight. The supervisor kills the worker at the end of the grace period.

A worker without its supervisor stops as after SIGTERM. Otherwise it would hold the port for ever.
"""

import asyncio
import multiprocessing
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .granian_private import bound_unread_at, refuse_connections, replace_signal_handlers

Application = Callable[..., Awaitable[None]]
"""An ASGI application."""

_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_LEAD = 1.0
"""Seconds from SIGTERM to the stop: load balancers probe about every second."""

_LEAD_OF_GRACE = 0.2
"""The largest part of the grace period that the lead may take."""

_OPEN_OF_LEAD = 0.8
"""The part of the lead after which connections are refused."""


class GracefulShutdown:
    """The shutdown of this worker, with its listener on `port`.

    `draining` is set from the first signal on. `grace` is in seconds, from the signal to the end.
    """

    def __init__(self, port: int, grace: float) -> None:
        self.draining = asyncio.Event()
        self._port = port
        self._grace = grace
        self._stopped = False
        self._stop_granian: Callable[[], None]

    def handle_signals(self) -> None:
        """Handle the signals of the worker that granian starts next in this process."""
        replace_signal_handlers(self._handle)

    def around(self, app: Application) -> Application:
        """Return `app` with responses that close their connections while draining."""

        def stopping(scope: object, receive: object, send: _Send) -> Awaitable[None]:
            return app(scope, receive, _closing(send) if self.draining.is_set() else send)

        return stopping

    def _handle(self, loop: asyncio.AbstractEventLoop, stop_granian: Callable[[], None]) -> None:
        self._stop_granian = stop_granian
        _on_signal(signal.SIGTERM, loop, self._drain, loop)
        _on_signal(signal.SIGINT, loop, self._stop)
        self._bound_unread(loop)
        supervisor = multiprocessing.parent_process()
        if supervisor is not None:
            loop.add_reader(supervisor.sentinel, self._orphaned, loop, supervisor.sentinel)

    def _bound_unread(self, loop: asyncio.AbstractEventLoop) -> None:
        if not bound_unread_at(self._port):  # granian listens later
            loop.call_later(0.005, self._bound_unread, loop)

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self.draining.is_set():
            self.draining.set()
            lead = min(_LEAD, self._grace * _LEAD_OF_GRACE)
            loop.call_later(lead * _OPEN_OF_LEAD, refuse_connections, self._port)
            loop.call_later(lead, self._stop)

    def _stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self.draining.set()
            self._stop_granian()

    def _orphaned(self, loop: asyncio.AbstractEventLoop, sentinel: int) -> None:
        loop.remove_reader(sentinel)
        signal.setitimer(signal.ITIMER_REAL, self._grace)  # no supervisor is left to kill it
        self._drain(loop)


def _on_signal(
    number: signal.Signals,
    loop: asyncio.AbstractEventLoop,
    handler: Callable[..., None],
    *arguments: object,
) -> None:
    """Call `handler`, maybe twice, for a signal at any time.

    uvloop loses a signal while it does not run, as between the startup of the application and the
    first request. Python's own handler does not.
    """
    loop.add_signal_handler(number, handler, *arguments)
    signal.signal(number, lambda *_: loop.call_soon_threadsafe(handler, *arguments))
    signal.siginterrupt(number, False)  # noqa: FBT003  # has no keyword


def _closing(send: _Send) -> _Send:
    async def closing(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = (*message["headers"], (b"connection", b"close"))
        await send(message)

    return closing
