"""Heartbeats: a room stays living in its anchor's name.

Only the anchor may send one. It is told to the vendor once a minute, whichever process gets it and
however often it comes; one that fails counts too. The vendor ends a room after ten minutes without.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from .caller import Caller
from .errors import NotRoomAnchor, RoomEnded, RoomNotLive
from .fair_share import FairShare
from .lookup import CachedRoom
from .ports import Broadcasts, RateLimiter, RoomCache
from .room import ENDED, LIVING

HEARTBEAT_SECONDS: Final = 60
"""The vendor is told of a room's heartbeat once in this time."""


class Beat(StrEnum):
    """The outcome of a heartbeat: told to the vendor, or spared, as it came within the minute."""

    TOLD = "told"
    SPARED = "spared"


class _State(Struct):
    live_status: int


_state = msgspec.json.Decoder(_State)


class Heartbeats:
    """Sends heartbeats with `broadcasts`.

    `view` returns a room as viewers see it. `pace` lets one heartbeat of a room pass in
    `HEARTBEAT_SECONDS`; `report` is called with the outcome of each.
    """

    def __init__(
        self,
        broadcasts: Broadcasts,
        view: Callable[[Caller, str], Awaitable[CachedRoom]],
        cache: RoomCache,
        *,
        pace: RateLimiter,
        share: FairShare,
        report: Callable[[Beat], None],
    ) -> None:
        self._broadcasts = broadcasts
        self._view = view
        self._cache = cache
        self._pace = pace
        self._share = share
        self._report = report

    async def beat(self, caller: Caller, live_id: str) -> None:
        """Keep a living room so.

        Raises NotRoomAnchor, RoomNotFound, RoomEnded, RoomNotLive, UpstreamFailure or Overloaded.
        """
        room = (await self._view(caller, live_id)).room
        if room.anchor_id != caller.user_id:
            raise NotRoomAnchor(live_id)
        if _state.decode(room.body).live_status == ENDED:
            raise RoomEnded(live_id)
        if (await self._pace.take(live_id)).retry_after:
            self._report(Beat.SPARED)
            return
        self._report(Beat.TOLD)
        with await self._share.place(caller.user_id):
            status = await self._broadcasts.heartbeat(live_id, caller.user_id)
        if status != LIVING:
            await self._cache.invalidate(live_id)
            raise RoomEnded(live_id) if status == ENDED else RoomNotLive(live_id)
