"""Rooms, or pages of living rooms, in this process's memory, filled from a `Source`.

- A room is fresh, then stale and refreshed in the background, then served only if the upstream
  fails, then expired. It stays in memory until it is evicted.
- A read that `invalidate` overtakes still answers its callers, but its result is not kept.
- A read takes a place of the user whose lookup begins it (`FairShare`), until it has ended. Lookups
  that join it need none, so they may be many. A stale room is refreshed only if a place is free.
- An anchor needs a read by this process. It joins a load of viewers; if that brings a room without
  a `push_url`, from another process, it loads again, as an anchor.
- Other processes' evictions come by `forget`. While they cannot be heard, no room is served stale,
  and once they are heard again, no room from before.
- Missing rooms have a part of the space to themselves, so that lookups of made-up ids cannot evict
  real rooms.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from math import ceil
from typing import Generic

from cachetools import TTLCache
from msgspec import Struct

from gateway.rooms import (
    CachedRoom,
    CurrentRoom,
    EncodedRoom,
    FairShare,
    LookupResult,
    Overloaded,
    RoomNotFound,
    UpstreamFailure,
    UpstreamTimeout,
)
from gateway.single_flight import Call, SingleFlight
from gateway.telemetry import Counter

from .entries import Entries, Entry
from .filling import Fillings
from .source import Loaded, R, Sent, Source

_HIT, _STALE = LookupResult.HIT, LookupResult.STALE  # looking up a member takes 40 ns

_MOMENT = 0.1
"""Seconds that a read's own deadline is ahead of that of a lookup which began it at once."""

_MISSING_PART = 10
"""One in this many entries is for missing rooms."""


class Lifetimes(Struct, frozen=True):
    """Seconds; `revalidate` and `error` count from the end of `fresh`, which a source grants."""

    fresh: float
    revalidate: float
    error: float
    missing: float


class ReadThroughCache(Generic[R]):
    """At most `size` rooms, missing ones included; `clock` is monotonic, in seconds.

    The rooms' JSON has at most `max_bytes`; a room with more is served and not kept. Reads take
    places of `share`, which bounds the wait for one; beyond that a lookup ends after `seconds` and
    a moment. `report` is called with the result of each.
    """

    def __init__(  # the wiring of the read path
        self,
        source: Source[R],
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
        self._source = source
        self._lifetimes = lifetimes
        self._revalidate = lifetimes.revalidate
        self._share = share
        self._seconds = seconds
        self._clock = clock
        self._report = report
        self._evictions = evictions
        self._entries = Entries(size - missing, max_bytes, evictions)
        self._missing: TTLCache[str, None] = TTLCache(missing, lifetimes.missing, clock)
        self._loads: SingleFlight[Loaded[R]] = SingleFlight()
        self._fillings = Fillings()
        self._evicted: Callable[[str | None], None] = _nobody

    @property
    def sizes(self) -> tuple[int, int]:
        """The number of rooms, and of ids known to be missing."""
        return len(self._entries), len(self._missing)

    @property
    def held(self) -> int:
        """The bytes of the rooms' JSON."""
        return self._entries.held

    def hit(self, live_id: str, reader: str | None) -> CachedRoom | None:
        """Return a fresh room that is not the reader's own, None if only `peek` can tell."""
        entry = self._entries.glance(live_id)
        if entry is None or entry.room.anchor_id == reader:
            return None
        left = entry.fresh_until - self._clock()
        return CachedRoom(entry.room, _HIT, ceil(left)) if left > 0 else None

    def count_hit(self, live_id: str) -> None:
        """Report a `hit`; the room is now the one used last."""
        self._entries.use(live_id)
        self._report(_HIT)

    def peek(
        self, live_id: str, user_id: str | None = None, *, viewer_shape: bool = False
    ) -> CachedRoom | None:
        """Return a fresh or stale room; raise RoomNotFound for one known to be missing."""
        reader = None if viewer_shape else user_id
        hit = self.hit(live_id, reader)
        if hit is not None:
            self.count_hit(live_id)
            return hit
        entry = self._entries.get(live_id)
        if entry is None:
            if live_id in self._missing:
                self._report(LookupResult.MISSING)
                raise RoomNotFound
            return None
        if entry.room.anchor_id == reader:
            return None
        if self._clock() - entry.fresh_until < self._revalidate:
            self._report(_STALE)
            self._refresh(live_id, user_id)
            return CachedRoom(entry.room, _STALE, 1)
        return None

    async def find(
        self, live_id: str, user_id: str | None = None, *, viewer_shape: bool = False
    ) -> CachedRoom | None:
        """Return a room that another process has read; raise RoomNotFound for a missing one."""
        if live_id in self._loads:
            return None
        try:
            found = await self._source.find(live_id)
        except RoomNotFound:
            self._remember_missing(live_id)
            self._report(LookupResult.MISSING)
            raise
        if found is None:
            return None
        if found.keep:
            self._keep(live_id, found.room, found.fresh)
        if found.room.anchor_id == user_id and not viewer_shape:
            return None
        self._report(LookupResult.SHARED_HIT)
        return CachedRoom(found.room, LookupResult.SHARED_HIT, max(1, ceil(found.fresh)))

    async def look_up(
        self, live_id: str, user_id: str | None = None, *, viewer_shape: bool = False
    ) -> tuple[CachedRoom, R | None]:
        """Return a room from memory, or as it was read upstream by this process besides.

        Raises RoomNotFound, UpstreamFailure or Overloaded.
        """
        seen = self.peek(live_id, user_id, viewer_shape=viewer_shape)
        if seen is not None:
            return seen, None
        reader = None if viewer_shape else user_id
        result = LookupResult.COALESCED if live_id in self._loads else LookupResult.MISS
        try:
            loaded = await self._find(live_id, user_id, reader)
            if isinstance(loaded, CachedRoom):
                result = loaded.result
                return loaded, None
            if loaded.read is None:
                result = LookupResult.SHARED_HIT
            elif loaded.room.anchor_id == reader:
                result = LookupResult.BYPASS
            return CachedRoom(loaded.room, result, max(1, ceil(loaded.fresh))), loaded.read
        except (UpstreamFailure, Overloaded):
            expired = self._usable_if_error(live_id, reader)
            if expired is None:
                raise
            result = LookupResult.STALE_IF_ERROR
            return CachedRoom(expired, result, 1), None
        finally:
            self._report(result)

    async def latest(self, live_id: str) -> CurrentRoom:
        """Return a fresh room, from memory or from the source."""
        result = LookupResult.COALESCED if live_id in self._loads else LookupResult.MISS
        try:
            loaded = await self._find(live_id, None, None)
            if isinstance(loaded, CachedRoom):
                result = loaded.result
                entry = self._entries.get(live_id)
                fresh = 0.0 if entry is None else entry.fresh_until - self._clock()
                return CurrentRoom(loaded.room, fresh)
            if loaded.read is None:
                result = LookupResult.SHARED_HIT
            return CurrentRoom(loaded.room, loaded.fresh)
        finally:
            self._report(result)

    async def invalidate(self, live_id: str) -> None:
        """Forget a room here and everywhere; the result of a read in flight is not kept."""
        self._forget(live_id)
        await self._source.evict(live_id)
        self.forget(live_id)  # a lookup may have overtaken it

    async def invalidate_all(self) -> None:
        """Invalidate all rooms."""
        self._loads.forget_all()
        self._fillings.changed_all()
        self._source.forget_all()
        self._missing.clear()
        self._evicted(None)
        for live_id in tuple(self._entries):
            await self.invalidate(live_id)

    async def mark_missing(self, live_id: str) -> None:
        """Invalidate a room and remember that it does not exist."""
        self._remember_missing(live_id)
        await self._source.evict_as_missing(live_id)
        self._remember_missing(live_id)  # a lookup may have overtaken it
        self._evicted(live_id)

    def tell_of_evictions(self, listener: Callable[[str | None], None]) -> None:
        """Call `listener` with each room that is forgotten from now on; None for all rooms."""
        self._evicted = listener

    def forget(self, live_id: str) -> None:
        """Forget a room here, after another process; a read in flight is not kept."""
        self._forget(live_id)
        self._evicted(live_id)

    def _forget(self, live_id: str) -> None:
        self._loads.forget(live_id)
        self._fillings.changed(live_id)
        self._source.forget(live_id)
        self._missing.pop(live_id, None)
        if self._entries.drop(live_id):
            self._evictions.inc("write")

    def lose_touch(self) -> None:
        """Serve nothing stale from now on: evictions by other processes are not heard."""
        self._revalidate = 0

    def regain_touch(self) -> None:
        """Serve stale rooms again, but no room from before: its eviction may have been missed."""
        self._revalidate = self._lifetimes.revalidate
        self._loads.forget_all()
        self._fillings.changed_all()
        self._source.forget_all()
        self._missing.clear()
        self._entries.expire(self._clock() - self._revalidate)
        self._evicted(None)

    async def aclose(self) -> None:
        """Wait for the reads in flight, which the upstream's deadline bounds."""
        await self._loads.aclose()

    async def _find(
        self, live_id: str, user_id: str | None, reader: str | None
    ) -> CachedRoom | Loaded[R]:
        """Return a room that has come into memory meanwhile, or a loaded one."""
        until = asyncio.get_running_loop().time() + self._seconds + _MOMENT
        entry = self._entries.get(live_id)
        for_anchor = entry is not None and entry.room.anchor_id == reader
        while True:
            joins = live_id in self._loads
            with await self._share.place(None if joins else user_id) as place:
                come = self._fresh(live_id, reader)
                if come is not None:
                    return come
                load = partial(self._load, live_id, for_anchor=for_anchor)
                loaded = await self._joined(live_id, load, place.hold(), until)
            if loaded.read is not None or loaded.room.anchor_id != reader:
                return loaded
            for_anchor = True

    async def _joined(
        self, live_id: str, load: Call[Loaded[R]], on_end: Callable[[], None], until: float
    ) -> Loaded[R]:
        try:
            return await self._loads.join(live_id, load, on_end, until=until)
        except TimeoutError as error:
            raise UpstreamTimeout("no room in time") from error

    async def _load(self, live_id: str, on_sent: Sent, *, for_anchor: bool = False) -> Loaded[R]:
        try:
            loaded = await self._source.load(live_id, on_sent, for_anchor=for_anchor)
        except RoomNotFound:
            if self._loads.is_current(live_id):
                self._remember_missing(live_id)
            raise
        if loaded.keep and self._loads.is_current(live_id):
            self._keep(live_id, loaded.room, loaded.fresh)
        return loaded

    def _keep(self, live_id: str, room: EncodedRoom, fresh: float) -> None:
        self._fillings.changed(live_id)
        self._entries.keep(live_id, Entry(room, self._clock() + fresh))

    def _remember_missing(self, live_id: str) -> None:
        self._forget(live_id)
        if self._missing.maxsize:
            self._missing[live_id] = None

    def _refresh(self, live_id: str, user_id: str | None) -> None:
        """Read a room in the background, unless it is being read or the user has no free place."""
        if live_id not in self._loads and (place := self._share.try_take(user_id)):
            self._loads.start(live_id, partial(self._load, live_id), place.let_go)

    def _fresh(self, live_id: str, reader: str | None) -> CachedRoom | None:
        """Return a fresh room; raise RoomNotFound for one known to be missing. Reports nothing."""
        if live_id in self._missing and self._entries.get(live_id) is None:
            raise RoomNotFound
        return self.hit(live_id, reader)

    def _usable_if_error(self, live_id: str, reader: str | None) -> EncodedRoom | None:
        entry = self._entries.get(live_id)
        if entry is None or entry.room.anchor_id == reader:
            return None
        expired = self._clock() - entry.fresh_until >= self._lifetimes.error
        return None if expired else entry.room


def _nobody(_: str | None) -> None:
    """Tell nobody of an eviction."""
