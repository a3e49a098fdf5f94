"""The stores behind the ports: this process's own, or those that it shares with others."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from types import MappingProxyType

from structlog.typing import FilteringBoundLogger

from gateway.background import Work, background_task
from gateway.cache import Encode, LocalRoomCache, Read, Restore, SharedRooms, Source, UpstreamRooms
from gateway.metrics import Metrics
from gateway.redis_url import RedisUrl
from gateway.rooms import (
    AnchorRoom,
    IdempotencyStore,
    LivePage,
    OpenCreates,
    PromptRateLimiter,
    RateLimiter,
    RecentWrites,
    WriteMemory,
)
from gateway.settings import RateLimit, Settings
from gateway.shared_store import STORE_STATES, EvictionChannel, SharedStore, connect
from gateway.stores import (
    LocalIdempotencyStore,
    LocalOpenCreates,
    LocalRateLimiter,
    SettledRateLimiter,
    SharedIdempotencyStore,
    SharedOpenCreates,
    SharedRateLimiter,
    SharedRecentWrites,
)

_CALLS_OF_A_CREATE = 5
"""Upstream calls that a create may wait for: for a place, two look-ups, a registration, its own."""

_SPARE = 2.0
"""Seconds that a claim outlasts them."""


class Stores:
    """The stores of a process that shares nothing."""

    checks: Mapping[str, Callable[[], str]] = MappingProxyType({})

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        lag = settings.upstream_lag
        self.recent: WriteMemory = RecentWrites(lag, clock=time.monotonic)
        self.idempotency: IdempotencyStore = LocalIdempotencyStore(
            time.monotonic, metrics.idempotency_evictions.inc
        )
        self.open_creates: OpenCreates = LocalOpenCreates(time.monotonic)

    def rooms(self, read: Read[AnchorRoom], encode: Encode) -> Source[AnchorRoom]:
        """Return the source of rooms that are read upstream."""
        return UpstreamRooms(read, encode, self._settings.cache_ttl)

    def pages(self, read: Read[LivePage], encode: Encode) -> Source[LivePage]:
        """Return the source of pages of living rooms."""
        return UpstreamRooms(read, encode, self._settings.cache_ttl)

    def settled(self, _name: str, limit: RateLimit) -> PromptRateLimiter:
        """Return a limit that decides at once, and agrees with the other processes soon."""
        return self._local(limit)

    def exact(self, _name: str, limit: RateLimit) -> RateLimiter:
        """Return a limit that all processes together never let exceed."""
        return self._local(limit)

    def _local(self, limit: RateLimit) -> LocalRateLimiter:
        return LocalRateLimiter(limit.count, limit.seconds, time.monotonic)

    @asynccontextmanager
    async def kept(self, _: LocalRoomCache) -> AsyncGenerator[None]:
        """Keep the stores in touch with others while the block runs."""
        yield

    async def aclose(self) -> None:
        """Close connections."""

    def sample(self) -> None:
        """Set the gauges."""


class SharedStores(Stores):
    """The stores of processes that share the store at `url`; events go to `log`.

    `restore` makes an encoded room of what the store has of it.
    """

    def __init__(
        self,
        url: RedisUrl,
        settings: Settings,
        metrics: Metrics,
        log: FilteringBoundLogger,
        restore: Restore,
    ) -> None:
        super().__init__(settings, metrics)
        self._restore = restore
        self._log = log
        connected = connect(url)
        self._store = SharedStore(
            connected,
            settings.redis_prefix,
            clock=time.monotonic,
            log=log,
            calls=metrics.store_calls,
            duration=metrics.store_duration,
        )
        self._channel = EvictionChannel(
            connected, f"{settings.redis_prefix}:evicted", clock=time.monotonic, log=log
        )
        self._settling: list[SettledRateLimiter] = []
        self.checks = {"store": lambda: self._store.state}
        self.recent = SharedRecentWrites(self._store, settings.upstream_lag, clock=time.monotonic)
        self.idempotency = SharedIdempotencyStore(
            self._store,
            LocalIdempotencyStore(time.monotonic, metrics.idempotency_evictions.inc),
            seconds=settings.upstream_timeout * _CALLS_OF_A_CREATE + _SPARE,
        )
        if settings.callback_secret is not None:  # else nobody would look for one
            local = LocalOpenCreates(time.monotonic)
            self.open_creates = SharedOpenCreates(self._store, local)

    def rooms(self, read: Read[AnchorRoom], encode: Encode) -> Source[AnchorRoom]:
        """Return the source of rooms that one process reads for all."""
        fresh, missing = self._settings.cache_ttl, self._settings.cache_negative_ttl
        parts = (self._store, self._channel, read, encode, self._restore)
        return SharedRooms(*parts, fresh=fresh, missing=missing)

    def pages(self, read: Read[LivePage], encode: Encode) -> Source[LivePage]:
        """Return the source of pages that one process reads for all."""
        fresh = self._settings.cache_ttl
        parts = (self._store, self._channel, read, encode, self._restore)
        return SharedRooms(*parts, fresh=fresh, missing=0, kind="live")

    def settled(self, name: str, limit: RateLimit) -> PromptRateLimiter:
        """Return a limit that decides at once, and agrees with the other processes soon."""
        made = SettledRateLimiter(self._store, name, limit.count, limit.seconds, time.monotonic)
        self._settling.append(made)
        return made

    def exact(self, name: str, limit: RateLimit) -> RateLimiter:
        """Return a limit that all processes together never let exceed."""
        return SharedRateLimiter(self._store, name, limit.count, limit.seconds, time.monotonic)

    @asynccontextmanager
    async def kept(self, cache: LocalRoomCache) -> AsyncGenerator[None]:
        """Keep the stores in touch with others while the block runs."""
        cache.lose_touch()
        works: list[Work] = [self._store.watch, partial(self._channel.follow, cache)]
        works += [each.settle for each in self._settling]
        async with AsyncExitStack() as running:
            for work in works:
                await running.enter_async_context(background_task(work, self._log))
            yield

    async def aclose(self) -> None:
        """Close connections."""
        await self._store.aclose()

    def sample(self) -> None:
        """Set the gauges."""
        for state in STORE_STATES:
            self._metrics.store_workers.set(state == self._store.state, state)
        self._metrics.store_unsent.set(self._store.unsent)


def stores_of(
    settings: Settings, metrics: Metrics, log: FilteringBoundLogger, restore: Restore
) -> Stores:
    """Return the stores that `settings` ask for; `restore` is for a `SharedStores`."""
    if settings.store is None:
        return Stores(settings, metrics)
    return SharedStores(settings.store, settings, metrics, log, restore)
