"""Creating rooms at most once per idempotency key.

- A create takes a place of its caller's `FairShare` until it has ended.
- A create with a key runs to its end even if its client leaves, so that a retry finds its outcome.
  If it is cut off, its outcome is unknown.
- Every create is sent with a request id of its own, which nobody can guess or choose. One with a
  key is open under that id until its outcome is known: the vendor's callback may settle it, see
  `hints`.
- A create whose client has left before it is sent, is not sent, and its key stays free.
- A repeated create gets the first outcome. Of a room only the id is stored, so it is read again and
  shown as it is now. One that was deleted since is shown as the repeated body asked for it. If the
  read fails, its error is raised, and a retry may succeed.
- Only a first create checks that `publish_expire_at` is in the future and that the upstream knows
  the anchor: a retry is the same create.
- The upstream cuts `publish_expire_at` to whole seconds and compares it with its own clock. If it
  is past there, the upstream takes a default, without a word.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from msgspec import Struct

from . import policy
from .caller import Caller
from .errors import FieldProblem, InvalidRequest, OutcomeUnknown, RoomNotFound
from .fair_share import FairShare
from .idempotency import (
    UNKNOWN,
    Created,
    Failed,
    IdempotencyClaim,
    OpenCreate,
    Outcome,
    claim_for,
    failure,
)
from .ports import Anchors, IdempotencyStore, OpenCreates, Upstream
from .room import AnchorRoom, NewRoom, ViewerRoom

Result = AnchorRoom | Outcome
"""The room that a first create made, or the outcome of an earlier create."""


class Creation(Struct, frozen=True):
    """A room in the caller's shape; `replayed` if an earlier request created it."""

    room: ViewerRoom | AnchorRoom
    replayed: bool = False


class Creator:
    """Creates rooms for `anchors`; outcomes of creates with a key go to `store`.

    Creates with a key are in `open_creates` until their outcome is known. `skew` gives this clock
    minus the upstream's, in seconds. `compare` gets each room as asked for and as made. `new_id`
    makes request ids.
    """

    def __init__(
        self,
        upstream: Upstream,
        store: IdempotencyStore,
        anchors: Anchors,
        *,
        open_creates: OpenCreates,
        share: FairShare,
        skew: Callable[[], float],
        compare: Callable[[NewRoom, AnchorRoom], None],
        new_id: Callable[[], str],
    ) -> None:
        self._upstream = upstream
        self._store = store
        self._anchors = anchors
        self._open = open_creates
        self._share = share
        self._skew = skew
        self._compare = compare
        self._new_id = new_id
        self._running: set[asyncio.Task[Result]] = set()  # asyncio keeps only weak references

    async def create(
        self,
        caller: Caller,
        room: NewRoom,
        *,
        now: datetime,
        key: str | None,
        on_sent: Callable[[], None] | None = None,
    ) -> Creation:
        """Create a room, at most once for each `key` of the caller.

        Calls `on_sent` just before the create is sent; it raises ClientGone to call it off.
        Raises InvalidRequest, AnchorNotRegistered, IdempotencyKeyReused, IdempotencyInProgress,
        Overloaded or UpstreamFailure; with `replayed` set, the error of the first create with this
        key.
        """
        first = partial(self._first, caller, room, now, on_sent)
        if key is None:
            return Creation(policy.shape_for(caller, await first(self._new_id())))
        claim = claim_for(caller, key, room)
        result = await self._to_its_end(self._once(claim, room, first))
        if isinstance(result, AnchorRoom):
            return Creation(policy.shape_for(caller, result))
        return Creation(await self._made_before(caller, room, result), replayed=True)

    async def aclose(self) -> None:
        """Wait for the creates in flight, which the upstream's deadline bounds."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _to_its_end(self, work: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Result]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved: the client may have left

    async def _once(
        self,
        claim: IdempotencyClaim,
        room: NewRoom,
        first: Callable[[str], Awaitable[AnchorRoom]],
    ) -> Result:
        remembered = await self._store.begin(claim)
        if remembered is not None:
            return remembered
        request_id = self._new_id()
        outcome: Outcome | None = UNKNOWN
        self._open.add(request_id, OpenCreate(claim, room.anchor_id, room.title))
        try:
            made = await first(request_id)
            outcome = await self._store.settle(claim, Created(made.live_id))
        except BaseException as error:
            outcome = await self._failed(claim, error)
            if isinstance(error, OutcomeUnknown) and isinstance(outcome, Created):
                return outcome  # a callback has told of the room meanwhile
            raise
        finally:
            if outcome != UNKNOWN:
                self._open.remove(request_id)
        return made

    async def _failed(self, claim: IdempotencyClaim, error: BaseException) -> Outcome | None:
        """Return the outcome of a create that raised `error`, None if nothing was sent."""
        failed = failure(error)
        if failed is None:
            await self._store.release(claim)
            return None
        return await self._store.settle(claim, failed)

    async def _first(
        self,
        caller: Caller,
        room: NewRoom,
        now: datetime,
        on_sent: Callable[[], None] | None,
        request_id: str,
    ) -> AnchorRoom:
        upstreams_now = now - timedelta(seconds=self._skew())
        if problems := expiry_problems(room.publish_expire_at, upstreams_now):
            raise InvalidRequest(*problems)
        with await self._share.place(caller.user_id):
            await self._anchors.require(room.anchor_id, caller)
            made = await self._upstream.create(room, request_id, on_sent)
        self._compare(room, made)
        return made

    async def _made_before(
        self, caller: Caller, room: NewRoom, outcome: Outcome
    ) -> ViewerRoom | AnchorRoom:
        if isinstance(outcome, Failed):
            raise outcome.error()
        try:
            with await self._share.place(caller.user_id):
                current = await self._upstream.read(outcome.live_id, for_write=True)
        except RoomNotFound:
            return room.without_upstream(outcome.live_id)
        return policy.shape_for(caller, current)


def expiry_problems(publish_expire_at: datetime | None, now: datetime) -> tuple[FieldProblem, ...]:
    """Return a problem if `publish_expire_at`, cut to whole seconds, is not in the future."""
    if publish_expire_at is None or publish_expire_at.replace(microsecond=0) > now:
        return ()
    return (FieldProblem("publish_expire_at", "must be in the future"),)
