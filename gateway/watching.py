"""The event streams that `app.py` gets, made of their parts, and what runs beside them.

Part of the composition root.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from structlog.typing import FilteringBoundLogger

from gateway.background import background_task
from gateway.cache import LocalRoomCache
from gateway.events import Bounds, EventStreams, RoomFeeds, Standing, Tally, Waker
from gateway.identity import CachingVerifier
from gateway.metrics import Metrics
from gateway.rooms import CurrentRoom, RoomService
from gateway.secret import Secret
from gateway.settings import Settings


class Watching:
    """The streams of rooms that `latest` reads and `cache` evicts; `new_id` names each poll."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        log: FilteringBoundLogger,
        rooms: RoomService,
        cache: LocalRoomCache,
        latest: Callable[[str], Awaitable[CurrentRoom]],
        tokens: CachingVerifier,
        new_id: Callable[[], str],
    ) -> None:
        self._metrics = metrics
        self._log = log
        waker = Waker()
        self._feeds = RoomFeeds(
            latest,
            waker.wake,
            seconds=settings.cache_ttl + settings.cache_stale_if_error,
            clock=time.monotonic,
            new_id=new_id,
            log=log,
        )

        async def expiry(token: Secret) -> float:
            return await tokens.expiry(token.reveal())

        cache.tell_of_evictions(self._feeds.look_again)
        self.streams = EventStreams(
            rooms.view,
            self._feeds,
            waker,
            Standing(expiry, lambda: tokens.changes),
            Tally(metrics.streams_opened, metrics.streams_ended, metrics.events_sent),
            Bounds(settings.max_streams, settings.max_streams_per_user),
            clock=time.monotonic,
            now=time.time,
        )
        metrics.streams_max.set(settings.max_streams)

    @asynccontextmanager
    async def kept(self, draining: asyncio.Event) -> AsyncGenerator[None]:
        """Keep the streams going while the block runs; end them once `draining` is set."""
        streams = self.streams
        async with AsyncExitStack() as running:
            for work in (streams.watch, streams.follow_changes, partial(streams.drain, draining)):
                await running.enter_async_context(background_task(work, self._log))
            yield

    def sample(self) -> None:
        """Set the gauges."""
        self._metrics.streams.set(len(self.streams))
        self._metrics.streams_rooms.set(len(self._feeds))
