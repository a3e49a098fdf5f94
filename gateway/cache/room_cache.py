"""Room lookups that cost the upstream one read, however many ask.

- A room is kept in viewer shape, encoded once: the type has no place for a `push_url`, which
  passes through in the answer of a flight and is kept nowhere.
- A room is fresh, then stale but good enough while one read in the background replaces it, then
  good only where the upstream fails, then good for nothing; a monotonic clock tells. It keeps its
  place until another room needs it.
- Everyone who misses the same room at the same time shares one read, and one error.
- A stop or a delete evicts at once and takes a read in flight off the board: it still answers
  those who wait for it, but what it brings is not kept.
- A room's own anchor gets nothing from memory, which holds no `push_url`.
- Known and unknown rooms share the bound, but each has a part of its own, so that asking for ids
  that do not exist cannot push out the rooms that do.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from cachetools import LRUCache, TTLCache
from msgspec import Struct

from gateway.rooms import (
    AnchorRoom,
    CachedRoom,
    EncodedRoom,
    FreshRoom,
    RoomNotFound,
    Source,
    ViewerRoom,
)
from gateway.telemetry import Counter, Metrics

from .flights import SingleFlight

Read = Callable[[str, Callable[[], None]], Awaitable[AnchorRoom]]
"""Reads a room upstream: (live_id, what to call once it is sent)."""

Encode = Callable[[ViewerRoom], EncodedRoom]
"""Makes a room's JSON and ETag."""

_UNKNOWN_PART = 10
"""One in this many places is for ids that are remembered as unknown."""


class Lifetimes(Struct, frozen=True):
    """Seconds; `revalidate` and `error` count from the end of `fresh`."""

    fresh: float
    revalidate: float
    error: float
    unknown: float


class _Kept(Struct, frozen=True, gc=False):
    room: EncodedRoom
    fresh_until: float


class _Known(LRUCache[str, _Kept]):
    """Rooms, of which the longest unused makes room for another and counts as an eviction."""

    def __init__(self, size: int, evictions: Counter) -> None:
        super().__init__(size)
        self._evictions = evictions

    def popitem(self) -> tuple[str, _Kept]:
        """Make room."""
        self._evictions.inc("capacity")
        return super().popitem()


class LocalRoomCache:
    """At most `size` rooms, unknown ones included; `clock` counts seconds and never goes back."""

    def __init__(
        self,
        read: Read,
        encode: Encode,
        *,
        size: int,
        lifetimes: Lifetimes,
        clock: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        unknown = size // _UNKNOWN_PART
        self._read = read
        self._encode = encode
        self._lifetimes = lifetimes
        self._clock = clock
        self._lookups = metrics.lookups
        self._evictions = metrics.evictions
        self._known = _Known(size - unknown, metrics.evictions)
        self._unknown: TTLCache[str, None] = TTLCache(unknown, lifetimes.unknown, clock)
        self._flights: SingleFlight[FreshRoom] = SingleFlight()

    @property
    def sizes(self) -> tuple[int, int]:
        """How many rooms are remembered, and how many ids as unknown."""
        return len(self._known), len(self._unknown)

    def peek(self, live_id: str, reader: str | None = None) -> CachedRoom | None:
        """Return a room that may be served to `reader` from memory; refresh it when it is stale.

        Raises RoomNotFound for a room that is remembered as unknown.
        """
        kept = self._kept(live_id)
        if kept is None:
            if live_id in self._unknown:
                self._lookups.inc("unknown")
                raise RoomNotFound
            return None
        if kept.room.anchor_id == reader:
            return None
        left = kept.fresh_until - self._clock()
        if left > 0:
            self._lookups.inc("hit")
            return CachedRoom(kept.room, Source.HIT, int(left))
        if -left < self._lifetimes.revalidate:
            self._lookups.inc("stale")
            self._flights.start(live_id, partial(self._load, live_id))
            return CachedRoom(kept.room, Source.STALE, 0)
        return None

    def is_reading(self, live_id: str) -> bool:
        """Whether a read of this room is under way, which a further fetch would share."""
        return live_id in self._flights

    async def fetch(self, live_id: str) -> FreshRoom:
        """Read a room upstream, together with everyone else who is about to.

        Raises RoomNotFound, UpstreamError or UpstreamTimeout.
        """
        self._lookups.inc("coalesced" if self.is_reading(live_id) else "miss")
        return await self._flights.join(live_id, partial(self._load, live_id))

    def stale_if_error(self, live_id: str, reader: str | None = None) -> CachedRoom | None:
        """Return a room that may be served to `reader` because the upstream failed."""
        kept = self._kept(live_id)
        if kept is None or kept.room.anchor_id == reader:
            return None
        if self._clock() - kept.fresh_until >= self._lifetimes.error:
            return None
        self._lookups.inc("stale_if_error")
        return CachedRoom(kept.room, Source.STALE, 0)

    def evict(self, live_id: str) -> None:
        """Forget a room; a read of it in flight will not be kept either."""
        self._flights.forget(live_id)
        if self._known.pop(live_id, None) is not None:
            self._evictions.inc("write")

    def mark_missing(self, live_id: str) -> None:
        """Evict a room and remember that there is none."""
        self.evict(live_id)
        self._remember_unknown(live_id)

    async def aclose(self) -> None:
        """Wait for the reads in flight, each of which the upstream's time limit ends."""
        await self._flights.aclose()

    async def _load(self, live_id: str, on_sent: Callable[[], None]) -> FreshRoom:
        try:
            room = await self._read(live_id, on_sent)
        except RoomNotFound:
            if self._flights.is_current(live_id):
                self.mark_missing(live_id)
            raise
        fresh = self._lifetimes.fresh
        encoded = self._encode(room.for_viewers())
        if self._flights.is_current(live_id):
            self._unknown.pop(live_id, None)
            self._known[live_id] = _Kept(encoded, self._clock() + fresh)
        return FreshRoom(room, CachedRoom(encoded, Source.MISS, int(fresh)))

    def _kept(self, live_id: str) -> _Kept | None:
        try:
            return self._known[live_id]
        except KeyError:
            return None

    def _remember_unknown(self, live_id: str) -> None:
        if self._unknown.maxsize:
            self._unknown[live_id] = None
