"""Hints: the vendor's callbacks, of which nothing is believed but the ids of rooms.

- A hint is taken at once, and the work begins afterwards. What is beyond the bounds is dropped,
  because a cached room is out of date for a short time only.
- Its rooms are evicted in all processes, so the next lookup reads them again. That read may still
  show the old state, from a replica that lags, as any read may. Hints about a room whose eviction
  is due share it; one that comes during an eviction makes another.
- A hint about a new room has the request id of the create that made it. If that create has a key
  and is not known to have ended, the room is read upstream. If it is the one that was asked for,
  the create is settled: the same key gives this room from then on, in every process.
- The hint may come before the reply to the create, and the room may be missing in a replica that
  lags. So the look comes after a moment, and again.
"""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from .errors import GatewayError
from .idempotency import Created, OpenCreate
from .patience import Patience
from .ports import IdempotencyStore, OpenCreates, RoomCache, Upstream, WriteMemory

_MOST_ROOMS = 10_000
"""Evictions that may be due."""

_MOST_CREATES = 1_000
"""Creates that may be looked for at once."""


class HintOutcome(StrEnum):
    """The outcome of a hint: its rooms are evicted, it has none, or too much of it is under way."""

    EVICTED = "evicted"
    IGNORED = "ignored"
    DROPPED = "dropped"


class Hint(Struct, frozen=True):
    """Rooms that have changed; `created_by` is the request id of the create that made the one."""

    live_ids: Sequence[str] = ()
    created_by: str | None = None


class SettledCreate(Struct, frozen=True):
    """A create of this user that a hint has told of, and whether it is `settled` with the room."""

    request_id: str
    user_id: str
    live_id: str
    settled: bool


class HintReports(Protocol):
    """Hears of each hint once, and of each create that was open when a hint told of it."""

    def taken(self, hint: Hint, outcome: HintOutcome) -> None:
        """Hear of a hint."""

    def settled(self, create: SettledCreate) -> None:
        """Hear of a create."""


class Hints:
    """Evicts rooms from `cache`, and settles creates in `store`, as the vendor hints.

    Rooms are read with `upstream`; one that is found in `patience` goes to `recent`, as one that
    was just created. `most_rooms` and `most_creates` bound the work under way.
    """

    def __init__(
        self,
        cache: RoomCache,
        upstream: Upstream,
        recent: WriteMemory,
        store: IdempotencyStore,
        open_creates: OpenCreates,
        *,
        patience: Patience,
        reports: HintReports,
        most_rooms: int = _MOST_ROOMS,
        most_creates: int = _MOST_CREATES,
    ) -> None:
        self._cache = cache
        self._upstream = upstream
        self._recent = recent
        self._store = store
        self._open = open_creates
        self._patience = patience
        self._reports = reports
        self._most_rooms = most_rooms
        self._most_creates = most_creates
        self._due: dict[str, None] = {}  # rooms whose eviction has not begun
        self._evicting: asyncio.Task[None] | None = None
        self._settling: set[asyncio.Task[None]] = set()

    def take(self, hint: Hint) -> None:
        """Begin to do what a hint asks for."""
        self._reports.taken(hint, self._begun(hint))

    async def aclose(self) -> None:
        """End the work under way."""
        tasks = {*self._settling, *filter(None, (self._evicting,))}
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begun(self, hint: Hint) -> HintOutcome:
        if not hint.live_ids:
            return HintOutcome.IGNORED
        if len(self._due) >= self._most_rooms:
            return HintOutcome.DROPPED
        self._due |= dict.fromkeys(hint.live_ids)
        if self._evicting is None or self._evicting.done():
            # for many requests, so not within the time that the store may cost this one
            self._evicting = asyncio.create_task(self._evict(), context=Context())
        if hint.created_by is None:
            return HintOutcome.EVICTED
        if len(self._settling) >= self._most_creates:
            return HintOutcome.DROPPED
        task = asyncio.create_task(self._settle(hint.created_by, hint.live_ids[0]))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        return HintOutcome.EVICTED

    async def _evict(self) -> None:
        while due := self._due:
            self._due = {}
            await asyncio.gather(*map(self._cache.invalidate, due))

    async def _settle(self, request_id: str, live_id: str) -> None:
        """Settle the create with this request id, if there is one, once its room can be read."""
        create: OpenCreate | None = None

        async def look() -> bool | None:
            nonlocal create
            create = await self._open.find(request_id)
            return False if create is None else await self._settled(create, live_id)

        settled = await self._patience.start().retry(look)
        if create is None:  # it has ended by itself, or had no key
            return
        if settled:
            self._open.remove(request_id)
        user_id = create.claim.user_id
        self._reports.settled(SettledCreate(request_id, user_id, live_id, settled=bool(settled)))

    async def _settled(self, create: OpenCreate, live_id: str) -> bool | None:
        """Settle a create with this room; return False for another's room, None if it is unread."""
        try:
            room = await self._upstream.read(live_id, for_write=True)
        except GatewayError:
            return None
        if not create.made(room):
            return False
        await self._recent.created(room.for_viewers())
        await self._store.settle(create.claim, Created(live_id))
        return True
