"""A `RoomCache` in this process's memory: `ReadThroughCache` for rooms.

Rooms may also come from a read of many, such as a page of living rooms, see `filling`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.rooms import AnchorRoom, CachedRoom, EncodedRoom, FreshRoom

from .read_through_cache import ReadThroughCache

Bring = Callable[[str, EncodedRoom], None]
"""Keeps a room that a read of many has brought."""


class LocalRoomCache(ReadThroughCache[AnchorRoom]):
    """The rooms in memory."""

    async def get(
        self, live_id: str, user_id: str | None = None, *, viewer_shape: bool = False
    ) -> CachedRoom | FreshRoom:
        """Return a room from memory, or read it upstream.

        Raises RoomNotFound, UpstreamFailure or Overloaded.
        """
        cached, read = await self.look_up(live_id, user_id, viewer_shape=viewer_shape)
        return cached if read is None else FreshRoom(read, cached)

    @contextmanager
    def filling(self) -> Iterator[Bring]:
        """Yield a function that keeps what a read brings, which begins now.

        A room that is evicted or read while the block runs is not kept: what was read before an
        eviction is never put back.
        """
        with self._fillings.begun() as filling:

            def bring(live_id: str, room: EncodedRoom) -> None:
                if filling.may_bring(live_id):
                    self._keep(live_id, room, self._lifetimes.fresh)

            yield bring
