"""Reads that agree with this process's own writes, though a replica of the upstream lags.

The way of a lookup, for `lag` seconds after a write:

    LagTolerantRoomCache.get → the cache → LagTolerantUpstream.glance → the upstream

- `glance` reads once. A room that contradicts a write raises Lagging, and the cache keeps nothing
  of a failed read. A deleted room raises RoomNotFound, and the cache keeps that.
- `LagTolerantRoomCache` answers a viewer at once with the room in the error: as it was created, or
  as it was read, but ended. Only the upstream has the `push_url` of a created room, so its anchor
  waits and looks again, within the deadline.
- Stop, delete and repeated creates read with `LagTolerantUpstream.read`, and wait likewise.
- The upstream looks for the room of a stop or delete in a replica too, before it does anything. If
  that lacks a room that was just created, the write raises Lagging.

A wait in vain ends in Lagging, which is an UpstreamTimeout.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from gateway.single_flight import SingleFlight

from .errors import RoomNotFound
from .fair_share import FairShare
from .lookup import CachedRoom, CurrentRoom, EncodedRoom, FreshRoom, LookupResult
from .patience import Deadline, Patience
from .ports import RoomCache, Upstream, WriteMemory
from .recent_writes import Lagging
from .room import AnchorRoom, NewRoom, ViewerRoom

_LAGGING_FOR = 1.0
"""Seconds until a room that lags is read again for those who watch it."""


class LagTolerantUpstream:
    """`upstream`, whose reads agree with the `recent` writes. Its creates are remembered there."""

    def __init__(self, upstream: Upstream, recent: WriteMemory, patience: Patience) -> None:
        self._upstream = upstream
        self._recent = recent
        self._patience = patience
        self.find_user = upstream.find_user
        self.register = upstream.register

    async def create(
        self, room: NewRoom, request_id: str, on_sent: Callable[[], None] | None = None
    ) -> AnchorRoom:
        """Create a room."""
        made = await self._upstream.create(room, request_id, on_sent)
        await self._recent.created(made.for_viewers())
        return made

    async def read(
        self,
        live_id: str,
        on_sent: Callable[[], None] | None = None,
        *,
        for_write: bool = False,
    ) -> AnchorRoom:
        """Read a room. Waits for a room that was just created."""
        deadline = self._patience.start()
        try:
            return await self.glance(live_id, on_sent, for_write=for_write)
        except Lagging as lagging:
            room = await self.resolve(lagging.room, deadline, for_write=for_write)
            if room is None:
                raise
            return room

    async def stop(self, live_id: str) -> None:
        """End a room's broadcast."""
        await self._judged(self._upstream.stop, live_id)

    async def delete(self, live_id: str) -> None:
        """Delete a room."""
        await self._judged(self._upstream.delete, live_id)

    async def glance(
        self,
        live_id: str,
        on_sent: Callable[[], None] | None = None,
        *,
        for_write: bool = False,
    ) -> AnchorRoom:
        """Read a room once. Raises Lagging if the answer contradicts a write."""
        try:
            room = await self._upstream.read(live_id, on_sent, for_write=for_write)
        except RoomNotFound:
            return await self._recent.judge(live_id, None)
        return await self._recent.judge(live_id, room)

    async def resolve(
        self, room: ViewerRoom | AnchorRoom, deadline: Deadline, *, for_write: bool = False
    ) -> AnchorRoom | None:
        """Return the room of a Lagging with its `push_url`; read again if it has none.

        Returns None if no read shows the room before `deadline`.
        """
        if isinstance(room, AnchorRoom):
            return room
        return await deadline.retry(partial(self._look, room.live_id, for_write=for_write))

    async def _judged(self, write: Callable[[str], Awaitable[None]], live_id: str) -> None:
        try:
            await write(live_id)
        except RoomNotFound:
            await self._recent.judge(live_id, None)

    async def _look(self, live_id: str, *, for_write: bool) -> AnchorRoom | None:
        try:
            return await self.glance(live_id, for_write=for_write)
        except Lagging as lagging:
            return lagging.room if isinstance(lagging.room, AnchorRoom) else None


class LagTolerantRoomCache:
    """`cache`, which reads with `upstream.glance`; lookups that lag are answered all the same."""

    def __init__(
        self,
        cache: RoomCache,
        upstream: LagTolerantUpstream,
        encode: Callable[[ViewerRoom], EncodedRoom],
        patience: Patience,
        share: FairShare,
    ) -> None:
        self._cache = cache
        self._upstream = upstream
        self._encode = encode
        self._patience = patience
        self._share = share
        self._waits: SingleFlight[AnchorRoom | None] = SingleFlight()
        self.peek = cache.peek
        self.find = cache.find
        self.invalidate = cache.invalidate
        self.mark_missing = cache.mark_missing

    async def get(
        self, live_id: str, user_id: str | None = None, *, viewer_shape: bool = False
    ) -> CachedRoom | FreshRoom:
        """Return a room from the cache, or the better answer of a read that lags."""
        deadline = self._patience.start()
        try:
            return await self._cache.get(live_id, user_id, viewer_shape=viewer_shape)
        except Lagging as lagging:
            room: ViewerRoom | AnchorRoom | None = lagging.room
            if not viewer_shape and lagging.room.anchor_info.user_id == user_id:
                room = await self._for_anchor(lagging.room, deadline)
            if room is None:
                raise
        if isinstance(room, AnchorRoom):
            return FreshRoom(room, self._shown(room.for_viewers()))
        return self._shown(room)

    async def latest(self, live_id: str) -> CurrentRoom:
        """Return a fresh room from the cache, or the better answer of a read that lags."""
        try:
            return await self._cache.latest(live_id)
        except Lagging as lagging:
            room = lagging.room
        viewers = room.for_viewers() if isinstance(room, AnchorRoom) else room
        return CurrentRoom(self._encode(viewers), _LAGGING_FOR)

    async def aclose(self) -> None:
        """Wait for the waits in flight, which `patience` bounds."""
        await self._waits.aclose()

    async def _for_anchor(
        self, room: ViewerRoom | AnchorRoom, deadline: Deadline
    ) -> AnchorRoom | None:
        """Return the room with its `push_url`; its anchor's lookups share one wait, and one place.

        The wait goes on without them, because calls that were sent cannot be called back.
        """

        async def wait(on_sent: Callable[[], None]) -> AnchorRoom | None:
            on_sent()
            return await self._upstream.resolve(room, deadline)

        joins = room.live_id in self._waits
        with await self._share.place(None if joins else room.anchor_info.user_id) as place:
            return await self._waits.join(room.live_id, wait, place.hold())

    def _shown(self, room: ViewerRoom) -> CachedRoom:
        return CachedRoom(self._encode(room), LookupResult.MISS, 1)
