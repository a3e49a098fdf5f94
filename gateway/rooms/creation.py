"""Creating a room, upstream at most once, and answering who asks again with the same key.

- A create with a key runs to its end even when its caller goes away, so that its outcome is known
  when they come back; cut off all the same, it counts as unknown.
- A repeated create is answered with the first outcome. The `push_url`, which is remembered nowhere
  and never changes, is read anew for the room's anchor. Where the room cannot be found (deleted
  since, or a replica lags) the answer goes without; where the read fails, that is told, and the
  same key may be tried again.
- Whether `publish_expire_at` lies in the future is asked of a first create only: what was good then
  is still the same create.
"""

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from msgspec import Struct

from . import policy
from .caller import Caller
from .errors import FieldProblem, InvalidRequest, RoomNotFound
from .idempotency import (
    Created,
    Failed,
    IdempotencyClaim,
    IdempotencyStore,
    Outcome,
    claim_for,
    failure,
)
from .room import AnchorRoom, NewRoom, ViewerRoom
from .upstream import Upstream

Result = AnchorRoom | Outcome
"""The room that a first create has made, or what became of an earlier one."""


class Creation(Struct, frozen=True):
    """A room in its creator's shape; `replayed` if an earlier request made it."""

    room: ViewerRoom | AnchorRoom
    replayed: bool = False


class Creator:
    """Creates rooms; what becomes of those with a key is kept in `outcomes`."""

    def __init__(self, upstream: Upstream, outcomes: IdempotencyStore) -> None:
        self._upstream = upstream
        self._outcomes = outcomes
        self._running: set[asyncio.Task[Result]] = set()  # asyncio itself keeps no task alive

    async def create(
        self, caller: Caller, room: NewRoom, *, now: datetime, key: str | None
    ) -> Creation:
        """Create a room at most once for a caller's `key`; without one, once a call.

        Raises InvalidRequest, AnchorNotRegistered, IdempotencyKeyReused, IdempotencyInProgress or
        UpstreamFailure; with `replayed` set, the error of the first create with this key.
        """
        if key is None:
            made = await self._first(room, now)
            return Creation(policy.shape_for(caller, made))
        claim = claim_for(caller, key, room)
        result = await self._to_its_end(self._once(claim, room, now))
        if isinstance(result, AnchorRoom):
            return Creation(policy.shape_for(caller, result))
        return await self._replayed(caller, result)

    async def aclose(self) -> None:
        """Let every create that runs come to its end, which the upstream's time limit bounds."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _to_its_end(self, work: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Result]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # there may be nobody left to hear of it

    async def _once(self, claim: IdempotencyClaim, room: NewRoom, now: datetime) -> Result:
        remembered = await self._outcomes.claim(claim)
        if remembered is not None:
            return remembered
        try:
            made = await self._first(room, now)
            await self._outcomes.settle(claim, Created(made.for_viewers()))
        except BaseException as error:
            failed = failure(error)
            if failed is None:
                await self._outcomes.release(claim)
            else:
                await self._outcomes.settle(claim, failed)
            raise
        return made

    async def _first(self, room: NewRoom, now: datetime) -> AnchorRoom:
        if problems := expiry_problems(room.publish_expire_at, now):
            raise InvalidRequest(*problems)
        return await self._upstream.create(room)

    async def _replayed(self, caller: Caller, outcome: Outcome) -> Creation:
        if isinstance(outcome, Failed):
            raise outcome.error()
        room = outcome.room
        if policy.is_anchor(caller, room):
            return Creation(await self._with_push_url(room), replayed=True)
        return Creation(room, replayed=True)

    async def _with_push_url(self, room: ViewerRoom) -> ViewerRoom | AnchorRoom:
        try:
            current = await self._upstream.read(room.live_id)
        except RoomNotFound:
            return room
        if current.anchor_info.user_id != room.anchor_info.user_id:
            return room
        return room.for_anchor(policy.with_push_url(current).push_url)


def expiry_problems(publish_expire_at: datetime | None, now: datetime) -> tuple[FieldProblem, ...]:
    """Return what is wrong with the moment at which publishing is to end: one that has passed."""
    if publish_expire_at is None or publish_expire_at > now:
        return ()
    return (FieldProblem("publish_expire_at", "must be in the future"),)
