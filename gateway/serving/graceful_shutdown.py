"""The graceful shutdown of a worker.

1. SIGTERM starts draining. The worker still serves, but /readyz says 503 and every response closes
   its connection.
2. The worker accepts no more connections. They are refused if the supervisor closes the socket
   too, and wait for a replacement if there is one.
3. Shortly after, or at once on SIGINT, granian stops: it closes idle connections and waits for
   responses in flight. The supervisor kills the worker at the end of the grace period.

A worker without its supervisor stops as after SIGTERM. Otherwise it would hold the port for ever.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .granian_private import refuse_connections, replace_signal_handlers

Application = Callable[..., Awaitable[None]]
"""An ASGI application."""

_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_LEAD = 1.0
"""Seconds from SIGTERM to the stop: load balancers probe about every second."""

_LEAD_OF_GRACE = 0.2
"""The largest part of the grace period that the lead may take."""

_OPEN_OF_LEAD = 0.8
"""The part of the lead after which connections are refused."""


def lead_time(grace: float) -> float:
    """Return the seconds from SIGTERM to the stop."""
    return min(_LEAD, grace * _LEAD_OF_GRACE)


def open_time(grace: float) -> float:
    """Return the seconds from SIGTERM in which connections are accepted."""
    return lead_time(grace) * _OPEN_OF_LEAD


class GracefulShutdown:
    """The shutdown of this worker, which accepts from the descriptor `listener`.

    `draining` is set from the first signal on. The descriptor `lifeline` is at its end when the
    supervisor is gone. `grace` is in seconds, from the signal to the end.
    """

    def __init__(self, listener: int, lifeline: int, grace: float) -> None:
        self.draining = asyncio.Event()
        self._listener = listener
        self._lifeline = lifeline
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
        loop.add_reader(self._lifeline, self._orphaned, loop)

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self.draining.is_set():
            self.draining.set()
            loop.call_later(open_time(self._grace), self._refuse)
            loop.call_later(lead_time(self._grace), self._stop)

    def _refuse(self) -> None:
        if not self._stopped:  # otherwise granian has closed it, and its number may be another's
            refuse_connections(self._listener)

    def _stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self.draining.set()
            self._stop_granian()

    def _orphaned(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.remove_reader(self._lifeline)
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
