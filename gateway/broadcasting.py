"""Going live and the list of living rooms, made of their parts for `app.py`.

Part of the composition root.
"""

import time
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from gateway.cache import (
    CachedLivePages,
    Lifetimes,
    LivePageReader,
    LocalRoomCache,
    ReadThroughCache,
)
from gateway.edge import LiveHandlers, encode_page, encode_room
from gateway.metrics import Metrics
from gateway.rooms import (
    HEARTBEAT_SECONDS,
    FairShare,
    Heartbeats,
    LookupResult,
    Patience,
    Report,
    RoomCache,
    RoomChanges,
    RoomService,
    Starts,
    Upstream,
)
from gateway.settings import RateLimit, Settings
from gateway.sharing import Stores
from gateway.upstream import QliveClient, QliveClientApi

_PAGES = 1_000
_PAGE_BYTES = 16 << 20


class Broadcasting:
    """Rooms that go live by the vendor's client API, over the calls of `client`.

    `rooms`, `upstream` and `cache` are what all other routes use; rooms of the list fill `memory`.
    `skew` gives this clock minus the upstream's, in seconds. `traced` wraps a report of lookups,
    `report` is called with each start.
    """

    def __init__(  # noqa: PLR0913  # the composition root
        self,
        app_id: str,
        settings: Settings,
        metrics: Metrics,
        log: FilteringBoundLogger,
        *,
        client: QliveClient,
        skew: Callable[[], float],
        rooms: RoomService,
        upstream: Upstream,
        cache: RoomCache,
        memory: LocalRoomCache,
        lifetimes: Lifetimes,
        stores: Stores,
        patience: Patience,
        share: FairShare,
        traced: Callable[[Callable[[LookupResult], None]], Callable[[LookupResult], None]],
        report: Report,
    ) -> None:
        self._api = QliveClientApi(client, app_id, skew=skew, log=log, clock=time.monotonic)
        reader = LivePageReader(self._api, memory, stores.recent, encode_room)
        self._pages = ReadThroughCache(
            stores.pages(reader.read, encode_page),
            size=_PAGES,
            max_bytes=_PAGE_BYTES,
            lifetimes=lifetimes,
            share=share,
            seconds=settings.upstream_timeout,
            clock=time.monotonic,
            report=traced(metrics.page_lookups.inc),
            evictions=metrics.evictions,
        )
        changes = RoomChanges(upstream, cache, share, report)
        self.handlers = LiveHandlers(
            Starts(self._api, upstream, changes, stores.recent, patience),
            Heartbeats(
                self._api,
                rooms.view,
                cache,
                pace=stores.exact("heartbeats", RateLimit(1, HEARTBEAT_SECONDS)),
                share=share,
                report=metrics.heartbeats.inc,
            ),
            CachedLivePages(self._pages),
        )

    async def aclose(self) -> None:
        """Wait for the calls in flight, which the upstream's deadline bounds."""
        await self._pages.aclose()
        await self._api.aclose()
