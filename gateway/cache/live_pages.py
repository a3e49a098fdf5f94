"""The pages of living rooms: read once for all, and their rooms kept as well.

A page is cached as a room is, and with a shared store one process reads it for all. Its rooms also
go to the cache of rooms of the process that has read it, so that nobody need read them again. There
they are as the server API shows them: it always says 0 for `online_count` and `anchor_status`, and
a room must not change with the call that it came by.
"""

import asyncio
from collections.abc import Callable

from msgspec import structs

from gateway.rooms import (
    Broadcasts,
    CachedRoom,
    EncodedRoom,
    Lagging,
    LivePage,
    RoomNotFound,
    ViewerRoom,
    WriteMemory,
)

from .local_room_cache import LocalRoomCache
from .read_through_cache import ReadThroughCache
from .source import Sent


class LivePageReader:
    """Reads pages with `broadcasts`, corrects them by the `recent` writes, and fills `cache`."""

    def __init__(
        self,
        broadcasts: Broadcasts,
        cache: LocalRoomCache,
        recent: WriteMemory,
        encode: Callable[[ViewerRoom], EncodedRoom],
    ) -> None:
        self._broadcasts = broadcasts
        self._cache = cache
        self._recent = recent
        self._encode = encode

    async def read(self, name: str, on_sent: Sent) -> LivePage:
        """Read the page of this name. Raises UpstreamFailure."""
        page, size = map(int, name.split("/"))
        with self._cache.filling() as bring:
            listed = await self._broadcasts.living(page, size, on_sent)
            judged = await asyncio.gather(*map(self._judged, listed.rooms))
            rooms = [room for room in judged if room is not None]
            for room in rooms:
                bring(room.live_id, self._encode(_as_read_alone(room)))
        gone = len(listed.rooms) - len(rooms)
        return LivePage(rooms, max(0, listed.total - gone), listed.next_page)

    async def _judged(self, room: ViewerRoom) -> ViewerRoom | None:
        """Return a room, None for one that was stopped or deleted just now."""
        try:
            return await self._recent.judge(room.live_id, room)
        except (Lagging, RoomNotFound):
            return None


class CachedLivePages:
    """The pages in `cache`."""

    def __init__(self, cache: ReadThroughCache[LivePage]) -> None:
        self._cache = cache

    async def get(self, page: int, size: int, user_id: str) -> CachedRoom:
        """Return a page, encoded. Raises UpstreamFailure or Overloaded."""
        cached, _ = await self._cache.look_up(f"{page}/{size}", user_id, viewer_shape=True)
        return cached


def _as_read_alone(room: ViewerRoom) -> ViewerRoom:
    return structs.replace(room, online_count=0, anchor_status=0)
