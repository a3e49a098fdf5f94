"""Starts: a room goes live in its anchor's name.

Only the anchor may start a room, not an administrator: the vendor is told in the anchor's name. A
start is made sure of as a stop is, see `confirmation`, and remembered in `recent`.
"""

from . import confirmation, policy
from .caller import Caller
from .errors import RoomEnded, RoomNotFound
from .patience import Deadline, Patience
from .ports import Broadcasts, Upstream, WriteMemory
from .room import LIVING
from .room_changes import RoomChanges


class Starts:
    """Starts rooms with `broadcasts`; `patience` bounds each."""

    def __init__(
        self,
        broadcasts: Broadcasts,
        upstream: Upstream,
        changes: RoomChanges,
        recent: WriteMemory,
        patience: Patience,
    ) -> None:
        self._broadcasts = broadcasts
        self._upstream = upstream
        self._changes = changes
        self._recent = recent
        self._patience = patience

    async def start(self, caller: Caller, live_id: str) -> None:
        """Let a room go live; send nothing if it is living.

        Raises NotRoomAnchor, RoomNotFound, RoomEnded, UpstreamFailure or Overloaded.
        """
        deadline = self._patience.start()
        async with self._changes.of("start", caller, live_id, policy.require_anchor) as room:
            if room.has_ended:
                raise RoomEnded(live_id)
            if room.live_status != LIVING:
                await self._begin(live_id, caller.user_id, deadline)
                await self._recent.started(live_id)

    async def _begin(self, live_id: str, anchor_id: str, deadline: Deadline) -> None:
        """Start a room; one just created is there, though the vendor's replica may lag."""
        try:
            await confirmation.start(self._broadcasts, self._upstream, live_id, anchor_id, deadline)
        except RoomNotFound:
            await self._recent.judge(live_id, None)
