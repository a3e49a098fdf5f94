"""Changes of rooms that are there: who may make them, and what the cache learns of them.

- A change reads the room first, to learn its anchor.
- It invalidates the room before it is sent, so that the result of an earlier read is not kept, and
  again after it, for reads that ran beside it. So does one that finds its work already done.
- It takes a place of its caller's `FairShare`.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from . import policy
from .caller import Caller
from .errors import RoomNotFound
from .fair_share import FairShare
from .ports import RoomCache, Upstream
from .room import AnchorRoom
from .room_write import Report, recorded

Rule = Callable[[Caller, AnchorRoom], None]
"""Raises Forbidden for a caller who may not change the room."""


class RoomChanges:
    """Makes changes; each is reported once to `report`."""

    def __init__(
        self, upstream: Upstream, cache: RoomCache, share: FairShare, report: Report
    ) -> None:
        self._upstream = upstream
        self._cache = cache
        self._share = share
        self._report = report

    @asynccontextmanager
    async def of(
        self, operation: str, caller: Caller, live_id: str, rule: Rule
    ) -> AsyncGenerator[AnchorRoom]:
        """Read the room, which the caller may change by `rule`, and have the block change it.

        Raises RoomNotFound, UpstreamFailure or Overloaded, as the rule does and as the block does.
        """
        with (
            recorded(self._report, operation, caller, live_id) as write,
            await self._share.place(caller.user_id),
        ):
            async with self._taught(live_id):
                room = await self._upstream.read(live_id, for_write=True)
                write.as_admin = not policy.is_anchor(caller, room)
                rule(caller, room)
                await self._cache.invalidate(live_id)
                try:
                    yield room
                finally:
                    await self._cache.invalidate(live_id)

    @asynccontextmanager
    async def _taught(self, live_id: str) -> AsyncGenerator[None]:
        """Teach the cache that the room is missing if the block finds none."""
        try:
            yield
        except RoomNotFound:
            await self._cache.mark_missing(live_id)
            raise
