"""A `RoomCache` in this process's memory.

- A room is fresh, then stale and refreshed in the background, then served only if the upstream
  fails, then expired. It stays in memory until it is evicted.
- A read that `invalidate` overtakes still answers its callers, but its result is not kept.
- A read takes a place of the user whose lookup begins it (`FairShare`), until it has ended. Lookups
  that join it need none, so they may be many. A stale room is refreshed only if a place is free.
- Missing rooms have a part of the space to themselves, so that lookups of made-up ids cannot evict
  real rooms.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from math import ceil

from cachetools import TTLCache
from msgspec import Struct

from gateway.rooms import (
    AnchorRoom,
    CachedRoom,
    EncodedRoom,
    FairShare,
    FreshRoom,
    LookupResult,
    Overloaded,
    RoomNotFound,
    UpstreamFailure,
    UpstreamTimeout,
    ViewerRoom,
)
from gateway.single_flight import SingleFlight
from gateway.telemetry import Counter

from .entries import Entries, Entry

Read = Callable[[str, Callable[[], None]], Awaitable[AnchorRoom]]
"""Reads a room upstream; takes its id and a callback for the moment of sending."""

Encode = Callable[[ViewerRoom], EncodedRoom]
"""Encodes a room as JSON, with its ETag."""

_HIT, _STALE = LookupResult.HIT, LookupResult.STALE  # looking up a member takes 40 ns

_MOMENT = 0.1
"""Seconds that a read's own deadline is ahead of that of a lookup which began it at once."""

_MISSING_PART = 10
"""One in this many entries is for missing rooms."""


class Lifetimes(Struct, frozen=True):
    """Seconds; `revalidate` and `error` count from the end of `fresh`."""

    fresh: float
    revalidate: float
    error: float
    missing: float


class LocalRoomCache:
    """At most `size` rooms, missing ones included; `clock` is monotonic, in seconds.

    The rooms' JSON has at most `max_bytes`; a room with more is served and not kept. Reads take
    places of `share`; a lookup ends after `seconds` and a moment. `report` is called with the
    result of each.
    """

    def __init__(  # noqa: PLR0913  # the wiring of the read path
        self,
        read: Read,
        encode: Encode,
        *,
        size: int,
        max_bytes: int,
        lifetimes: Lifetimes,
        share: FairShare,
        seconds: float,
        clock: Callable[[], float],
        report: Callable[[LookupResult], None],
        evictions: Counter,
    ) -> None:
        missing = size // _MISSING_PART
        self._read = read
        self._encode = encode
        self._lifetimes = lifetimes
        self._share = share
        self._seconds = seconds
        self._clock = clock
        self._report = report
        self._evictions = evictions
        self._entries = Entries(size - missing, max_bytes, evictions)
        self._missing: TTLCache[str, None] = TTLCache(missing, lifetimes.missing, clock)
        self._flights: SingleFlight[tuple[AnchorRoom, EncodedRoom]] = SingleFlight()

    @property
    def sizes(self) -> tuple[int, int]:
        """The number of rooms, and of ids known to be missing."""
        return len(self._entries), len(self._missing)

    @property
    def held(self) -> int:
        """The bytes of the rooms' JSON."""
        return int(self._entries.currsize)

    def peek(
        self, live_id: str, user_id: str | None = None, *, viewer_shape: bool = False
    ) -> CachedRoom | None:
        """Return a fresh or stale room; raise RoomNotFound for one known to be missing."""
        entry = self._entry(live_id)
        if entry is None:
            if live_id in self._missing:
                self._report(LookupResult.MISSING)
                raise RoomNotFound
            return None
        if entry.room.anchor_id == user_id and not viewer_shape:
            return None
        left = entry.fresh_until - self._clock()
        if left > 0:
            self._report(_HIT)
            return CachedRoom(entry.room, _HIT, ceil(left))
        if -left < self._lifetimes.revalidate:
            self._report(_STALE)
            self._refresh(live_id, user_id)
            return CachedRoom(entry.room, _STALE, 1)
        return None

    async def get(
        self, live_id: str, user_id: str | None = None, *, viewer_shape: bool = False
    ) -> CachedRoom | FreshRoom:
        """Return a room from memory, or read it upstream.

        Raises RoomNotFound, UpstreamFailure or Overloaded.
        """
        seen = self.peek(live_id, user_id, viewer_shape=viewer_shape)
        if seen is not None:
            return seen
        reader = None if viewer_shape else user_id
        joins = live_id in self._flights
        result = LookupResult.COALESCED if joins else LookupResult.MISS
        try:
            async with (
                _within(self._seconds + _MOMENT),
                self._share.place(None if joins else user_id) as place,
            ):
                read_meanwhile = self._fresh(live_id, reader)
                if read_meanwhile is not None:
                    result = read_meanwhile.result
                    return read_meanwhile
                load = partial(self._load, live_id)
                room, encoded = await self._flights.join(live_id, load, place.hold())
            if encoded.anchor_id == reader:
                result = LookupResult.BYPASS
            return FreshRoom(room, CachedRoom(encoded, result, max(1, ceil(self._lifetimes.fresh))))
        except (UpstreamFailure, Overloaded):
            expired = self._usable_if_error(live_id, reader)
            if expired is None:
                raise
            result = LookupResult.STALE_IF_ERROR
            return CachedRoom(expired, result, 1)
        finally:
            self._report(result)

    async def invalidate(self, live_id: str) -> None:
        """Forget a room; the result of a read in flight is not kept."""
        self._flights.forget(live_id)
        self._missing.pop(live_id, None)
        if self._entries.pop(live_id, None) is not None:
            self._evictions.inc("write")

    async def invalidate_all(self) -> None:
        """Forget all rooms; the result of a read in flight is not kept."""
        self._flights.forget_all()
        self._missing.clear()
        for live_id in tuple(self._entries):
            await self.invalidate(live_id)

    async def mark_missing(self, live_id: str) -> None:
        """Invalidate a room and remember that it does not exist."""
        await self.invalidate(live_id)
        if self._missing.maxsize:
            self._missing[live_id] = None

    async def aclose(self) -> None:
        """Wait for the reads in flight, which the upstream's deadline bounds."""
        await self._flights.aclose()

    async def _load(
        self, live_id: str, on_sent: Callable[[], None]
    ) -> tuple[AnchorRoom, EncodedRoom]:
        try:
            room = await self._read(live_id, on_sent)
        except RoomNotFound:
            if self._flights.is_current(live_id):
                await self.mark_missing(live_id)
            raise
        encoded = self._encode(room.for_viewers())
        if self._flights.is_current(live_id):
            self._entries[live_id] = Entry(encoded, self._clock() + self._lifetimes.fresh)
        return room, encoded

    def _refresh(self, live_id: str, user_id: str | None) -> None:
        """Read a room in the background, unless it is being read or the user has no free place."""
        if live_id not in self._flights and (place := self._share.try_take(user_id)):
            self._flights.start(live_id, partial(self._load, live_id), place.let_go)

    def _fresh(self, live_id: str, reader: str | None) -> CachedRoom | None:
        """Return a fresh room; raise RoomNotFound for one known to be missing. Reports nothing."""
        entry = self._entry(live_id)
        if entry is None:
            if live_id in self._missing:
                raise RoomNotFound
            return None
        left = entry.fresh_until - self._clock()
        if left <= 0 or entry.room.anchor_id == reader:
            return None
        return CachedRoom(entry.room, _HIT, ceil(left))

    def _entry(self, live_id: str) -> Entry | None:
        try:
            return self._entries[live_id]
        except KeyError:
            return None

    def _usable_if_error(self, live_id: str, reader: str | None) -> EncodedRoom | None:
        entry = self._entry(live_id)
        if entry is None or entry.room.anchor_id == reader:
            return None
        expired = self._clock() - entry.fresh_until >= self._lifetimes.error
        return None if expired else entry.room


@asynccontextmanager
async def _within(seconds: float) -> AsyncGenerator[None]:
    """Raise UpstreamTimeout if the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise UpstreamTimeout("no place and no room in time") from error
