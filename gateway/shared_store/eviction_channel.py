"""The channel on which processes tell each other of evictions.

Nobody knows what was said while nobody listened. So the listener hears of each gap: when the
connection is lost, and when it is back. A connection without a sign of life for half a second is
lost: it may be broken without either side knowing.
"""

import asyncio
import random
import secrets
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from structlog.typing import FilteringBoundLogger

from .batches import DEADLINE
from .connection import Connected

_PING_EVERY = 0.2
_SILENCE = 0.5
_PAUSE = 0.2
"""Seconds."""


class Subscription(Protocol):
    """A connection on which messages come."""

    async def get_message(self, *, timeout: float) -> dict[str, Any] | None:  # noqa: ASYNC109  # the library's
        """Return the next message."""

    async def ping(self) -> object:
        """Ask for a sign of life."""


class Listener(Protocol):
    """Hears of the evictions by other processes, and of the gaps."""

    def forget(self, live_id: str) -> None:
        """Hear that a room was evicted."""

    def lose_touch(self) -> None:
        """Hear that evictions are not heard from now on."""

    def regain_touch(self) -> None:
        """Hear that evictions are heard again; some may have been missed."""


class EvictionChannel:
    """The channel `name` of a store; `clock` is monotonic, in seconds."""

    def __init__(
        self,
        connected: Connected,
        name: str,
        *,
        clock: Callable[[], float],
        log: FilteringBoundLogger,
    ) -> None:
        self._connected = connected
        self._clock = clock
        self._log = log
        self._sender = secrets.token_hex(8).encode()
        self._listens = False
        self.name = name.encode()

    def message(self, live_id: str) -> bytes:
        """Return the message that a room was evicted by this process."""
        return b"%s %s" % (self._sender, live_id.encode())

    async def follow(self, listener: Listener) -> NoReturn:
        """Tell `listener` all there is to hear, until cancelled."""
        while True:
            try:
                async with self._connected.subscription() as subscription:
                    async with asyncio.timeout(DEADLINE):
                        await self._connected.client.initialize()  # a cluster finds its nodes
                        await subscription.subscribe(self.name)
                    await self._listen(subscription, listener)
            except self._connected.failures as error:
                self._note_loss(error, listener)
            await asyncio.sleep(_PAUSE * (0.5 + random.random()))  # noqa: S311  # nosec B311  # no secret

    async def _listen(self, subscription: Subscription, listener: Listener) -> NoReturn:
        heard = self._clock()
        while True:
            message = await subscription.get_message(timeout=_PING_EVERY)
            if message is None:
                if self._clock() - heard > _SILENCE:
                    raise TimeoutError("no sign of life")
                async with asyncio.timeout(DEADLINE):
                    await subscription.ping()
                continue
            heard = self._clock()
            if message["type"] == "subscribe":
                self._listens = True
                listener.regain_touch()
                self._log.info("store_subscription_back")
            elif message["type"] == "message":
                sender, _, live_id = message["data"].partition(b" ")
                if sender != self._sender:
                    listener.forget(live_id.decode("ascii", "replace"))

    def _note_loss(self, error: Exception, listener: Listener) -> None:
        if self._listens:
            self._listens = False
            listener.lose_touch()
            self._log.warning("store_subscription_lost", reason=str(error))
