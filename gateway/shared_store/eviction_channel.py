"""The channel on which processes tell each other of evictions.

Nobody knows what was said while nobody listened. So the listener hears of each gap: when the
connection is lost, and when it is back. A connection without a sign of life for half a second is
lost: it may be broken without either side knowing.
"""

import asyncio
import random
import secrets
from collections.abc import Callable
from typing import NoReturn

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError
from structlog.typing import FilteringBoundLogger

from .batches import DEADLINE
from .connection import Connected

_PING_EVERY = 0.2
_SILENCE = 0.5
_PAUSE = 0.2
"""Seconds."""


class EvictionChannel:
    """The channel `name` of a store; `clock` is monotonic, in seconds.

    `evicted` is called with each message of another process, `lost` and `back` with the connection.
    """

    def __init__(
        self,
        connected: Connected,
        name: str,
        *,
        clock: Callable[[], float],
        log: FilteringBoundLogger,
        evicted: Callable[[str], None],
        lost: Callable[[], None],
        back: Callable[[], None],
    ) -> None:
        self._connected = connected
        self._clock = clock
        self._log = log
        self._evicted = evicted
        self._lost = lost
        self._back = back
        self._sender = secrets.token_hex(8).encode()
        self._listens = False
        self.name = name.encode()

    def message(self, live_id: str) -> bytes:
        """Return the message that a room was evicted by this process."""
        return b"%s %s" % (self._sender, live_id.encode())

    async def follow(self) -> NoReturn:
        """Listen until cancelled."""
        while True:
            try:
                async with self._connected.subscription() as subscription:
                    async with asyncio.timeout(DEADLINE):
                        await subscription.subscribe(self.name)
                    await self._listen(subscription)
            except (RedisError, OSError, TimeoutError) as error:
                self._note_loss(error)
            await asyncio.sleep(_PAUSE * (0.5 + random.random()))  # noqa: S311  # no secret

    async def _listen(self, subscription: PubSub) -> NoReturn:
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
                self._back()
                self._log.info("store_subscription_back")
            elif message["type"] == "message":
                self._hear(message["data"])

    def _hear(self, data: bytes) -> None:
        sender, _, live_id = data.partition(b" ")
        if sender != self._sender:
            self._evicted(live_id.decode("ascii", "replace"))

    def _note_loss(self, error: Exception) -> None:
        if self._listens:
            self._listens = False
            self._lost()
            self._log.warning("store_subscription_lost", reason=str(error))
