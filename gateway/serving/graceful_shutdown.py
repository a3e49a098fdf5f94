"""How a worker stops.

SIGTERM announces it: for a short while all is served as before, but /readyz tells the load balancer
to send no more, and every answer closes its connection, so that a client does not ask on one that
is about to go. Then connections are refused, and a moment later, when the first request on each
that was accepted has come, or at once after SIGINT, granian is told: it lets go of idle connections
and waits for the answers under way. The supervisor kills it where that takes too long.

A worker whose supervisor is gone stops as after SIGTERM, or it would hold the port for ever.

granian's own handlers would pass every signal on to a channel that holds one, and hang the event
loop at the third. So they are replaced, in the one place where granian asks for them.
"""

import asyncio
import multiprocessing
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from granian import _signals
from granian._granian import WorkerSignal

from .refuse import refuse_connections

Application = Callable[..., Awaitable[None]]
"""An ASGI application."""

_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_LEAD = 1.0
"""Seconds between the announcement and the stop: load balancers probe about every second."""

_LEAD_OF_GRACE = 0.2
"""The most of the grace that this may take."""

_OPEN_OF_LEAD = 0.8
"""The part of it after which connections are refused."""


class GracefulShutdown:
    """Whether this worker, which listens on `port`, is about to stop.

    `grace` is in seconds, from the signal to the end.
    """

    def __init__(self, port: int, grace: float) -> None:
        self._port = port
        self._grace = grace
        self._draining = False
        self._stopped = False
        self._stop_granian: Callable[[], None]

    @property
    def draining(self) -> bool:
        """Whether it has been asked to stop."""
        return self._draining

    def take_signals(self) -> None:
        """Make the worker that granian is about to start in this process stop as told above."""
        _signals.set_loop_signals = self._listen

    def around(self, app: Application) -> Application:
        """Return `app`, whose answers close their connections once the stop is draining."""

        def stopping(scope: object, receive: object, send: _Send) -> Awaitable[None]:
            return app(scope, receive, _closing(send) if self._draining else send)

        return stopping

    def _listen(self, loop: asyncio.AbstractEventLoop) -> WorkerSignal:
        event = WorkerSignal()
        self._stop_granian = event.set
        loop.add_signal_handler(signal.SIGTERM, self._announce, loop)
        loop.add_signal_handler(signal.SIGINT, self._stop)
        supervisor = multiprocessing.parent_process()
        if supervisor is not None:
            loop.add_reader(supervisor.sentinel, self._orphaned, loop, supervisor.sentinel)
        return event

    def _announce(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._draining:
            self._draining = True
            lead = min(_LEAD, self._grace * _LEAD_OF_GRACE)
            loop.call_later(lead * _OPEN_OF_LEAD, refuse_connections, self._port)
            loop.call_later(lead, self._stop)

    def _stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._stop_granian()

    def _orphaned(self, loop: asyncio.AbstractEventLoop, sentinel: int) -> None:
        loop.remove_reader(sentinel)
        signal.setitimer(signal.ITIMER_REAL, self._grace)  # ends this process, as no one else will
        self._announce(loop)


def _closing(send: _Send) -> _Send:
    async def closing(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = (*message["headers"], (b"connection", b"close"))
        await send(message)

    return closing
