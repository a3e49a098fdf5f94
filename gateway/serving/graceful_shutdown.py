"""The graceful shutdown of a worker.

1. SIGTERM starts draining. The worker still serves, also new connections, but /readyz says 503 and
   every response closes its connection. This lasts for a delay, because load balancers hear late.
2. The worker accepts no more connections. They are refused if the supervisor closes the socket
   too, and wait for a replacement if there is one.
3. Shortly after, or at once on SIGINT, granian stops: it closes idle connections and waits for
   responses in flight. The supervisor kills the worker at the end of the grace period.

A worker that is replaced drains for a moment only: its place has another one, and requests that
came while it did not respond are answered.

A worker without its supervisor stops as after SIGTERM. Otherwise it would hold the port for ever.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .granian_private import Application, refuse_connections, replace_signal_handlers

_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LEAVE = signal.SIGUSR1
"""The signal to a worker that is replaced."""

_MOMENT = 0.8
"""Seconds for which a worker that is replaced drains."""

_MOMENT_OF_GRACE = 0.16
"""The largest part of the grace period that this may take."""

_UNTIL_STOP = 0.2
"""Seconds from the refusal of connections to the stop: the supervisor closes its socket too."""

_UNTIL_STOP_OF_GRACE = 0.04


class GracefulShutdown:
    """The shutdown of this worker, which accepts from the descriptor `listener`.

    `draining` is set from the first signal on. The descriptor `lifeline` is at its end when the
    supervisor is gone. After SIGTERM connections are accepted for `delay` seconds; responses in
    flight get another `grace`.
    """

    def __init__(self, listener: int, lifeline: int, *, delay: float, grace: float) -> None:
        self.draining = asyncio.Event()
        self._listener = listener
        self._lifeline = lifeline
        self._delay = delay
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
        moment = min(_MOMENT, self._grace * _MOMENT_OF_GRACE)
        _on_signal(signal.SIGTERM, loop, self._drain, loop, self._delay)
        _on_signal(LEAVE, loop, self._drain, loop, moment)
        _on_signal(signal.SIGINT, loop, self._stop)
        loop.add_reader(self._lifeline, self._orphaned, loop)

    def _drain(self, loop: asyncio.AbstractEventLoop, delay: float) -> None:
        if not self.draining.is_set():
            self.draining.set()
            until_stop = min(_UNTIL_STOP, self._grace * _UNTIL_STOP_OF_GRACE)
            loop.call_later(delay, self._refuse)
            loop.call_later(delay + until_stop, self._stop)

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
        left = self._delay + self._grace
        signal.setitimer(signal.ITIMER_REAL, left)  # no supervisor is left to kill it
        self._drain(loop, self._delay)


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
