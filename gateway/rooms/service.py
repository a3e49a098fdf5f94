"""The room operations: access rules applied around upstream calls.

- A read is answered from the cache, but never for the room's own anchor: the cache has no
  `push_url`.
- Stop and delete read the room first, to learn its anchor. `confirmation` sends them and makes sure
  of them, all within `patience`.
- A write invalidates the room before it is sent, so that the result of an earlier read is not kept,
  and again after it, for reads that ran beside it. So does one that finds its work already done.
- Whatever goes upstream takes a place of its caller's `FairShare`: here a stop and a delete, in the
  cache a read, in `creation` a create.
- What was stopped or deleted goes to `recent`, for reads from a replica that lags.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import datetime

from . import confirmation, policy
from .caller import Caller
from .creation import Creation, Creator
from .errors import GatewayError, RoomNotFound
from .fair_share import FairShare
from .lookup import Batch, CachedRoom, FreshRoom
from .patience import Patience
from .ports import RoomCache, Upstream, WriteMemory
from .room import AnchorRoom, NewRoom
from .room_write import Report, recorded

_AT_ONCE = nullcontext()
"""No turn to wait for."""

BATCH_BYTES = 2 << 20
"""Bytes of all rooms in one batch, as JSON; 50 usual ones have 50 KB."""


class RoomService:
    """Create, get, stop and delete rooms for a caller.

    `patience` bounds a batch, a stop and a delete; stops and deletes are remembered in `recent`.
    Each write is reported once to `report`.
    """

    def __init__(
        self,
        upstream: Upstream,
        cache: RoomCache,
        creator: Creator,
        scopes: policy.Scopes,
        *,
        recent: WriteMemory,
        patience: Patience,
        share: FairShare,
        report: Report,
    ) -> None:
        self._upstream = upstream
        self._cache = cache
        self._creator = creator
        self._scopes = scopes
        self._recent = recent
        self._patience = patience
        self._share = share
        self._report = report

    async def create(
        self,
        caller: Caller,
        room: NewRoom,
        *,
        now: datetime,
        key: str | None = None,
        on_sent: Callable[[], None] | None = None,
    ) -> Creation:
        """Create a room, or return the room that the caller created with `key` before.

        Calls `on_sent` just before a create is sent; if that raises, nothing is sent.
        Raises MissingScope and the errors of `Creator.create`.
        """
        with recorded(self._report, "create", caller) as write:
            write.as_admin = room.anchor_id != caller.user_id
            policy.require_create(caller, room.anchor_id, self._scopes)
            made = await self._creator.create(caller, room, now=now, key=key, on_sent=on_sent)
            write.live_id = made.room.live_id
            write.outcome = "replayed" if made.replayed else "ok"
            return made

    def peek(self, caller: Caller, live_id: str) -> CachedRoom | None:
        """Return a room from memory if it is there and the caller may be served from it.

        Raises RoomNotFound for a room known to be missing.
        """
        return self._cache.peek(live_id, caller.user_id)

    async def find(self, caller: Caller, live_id: str) -> CachedRoom | None:
        """Return a room that another process has read, if the caller may be served from there.

        Raises RoomNotFound for a room known to be missing.
        """
        return await self._cache.find(live_id, caller.user_id)

    async def get(self, caller: Caller, live_id: str) -> CachedRoom | AnchorRoom:
        """Return a room in the caller's shape.

        Raises RoomNotFound, UpstreamFailure or Overloaded.
        """
        found = await self._cache.get(live_id, caller.user_id)
        if isinstance(found, CachedRoom):
            return found
        if policy.is_anchor(caller, found.room):
            return policy.with_push_url(found.room)
        return found.cached

    async def view(
        self,
        caller: Caller,
        live_id: str,
        turn: AbstractAsyncContextManager[None] = _AT_ONCE,
    ) -> CachedRoom:
        """Return a room in viewer shape, whoever asks; a read waits for its `turn`.

        Raises RoomNotFound, UpstreamFailure or Overloaded.
        """
        found: CachedRoom | FreshRoom | None
        found = self._cache.peek(live_id, caller.user_id, viewer_shape=True)
        if found is None:
            found = await self._cache.find(live_id, caller.user_id, viewer_shape=True)
        if found is None:
            async with turn:
                found = await self._cache.get(live_id, caller.user_id, viewer_shape=True)
        return found if isinstance(found, CachedRoom) else found.cached

    async def get_batch(self, caller: Caller, live_ids: Sequence[str]) -> Batch:
        """Return several rooms in viewer shape, whoever asks; one failure never fails the rest.

        A lookup that takes longer than `patience` counts as failed, and so does a room that comes
        when there is no room left for it in the batch. As many lookups run at once as the caller
        has places, so that the caller's other requests are next in turn.
        """
        permits = asyncio.Semaphore(self._share.places)
        left = BATCH_BYTES

        async def look(live_id: str) -> CachedRoom | None:
            nonlocal left
            cached = await self.view(caller, live_id, permits)
            size = len(cached.room.body)
            if size > left:
                return None
            left -= size
            return cached

        looks = {live_id: asyncio.create_task(look(live_id)) for live_id in live_ids}
        try:
            await asyncio.wait(looks.values(), timeout=self._patience.seconds)
            return _batch(looks)
        finally:
            for each in looks.values():
                each.cancel()

    async def stop(self, caller: Caller, live_id: str) -> None:
        """End a room's broadcast; send nothing if it has ended.

        Raises NotRoomAnchor, RoomNotFound, RoomNotLive, UpstreamFailure or Overloaded.
        """
        deadline = self._patience.start()
        async with self._changing("stop", caller, live_id) as room:
            if not room.has_ended:
                await confirmation.stop(self._upstream, live_id, deadline)
            await self._recent.stopped(live_id)

    async def delete(self, caller: Caller, live_id: str) -> None:
        """Delete a room. Raises NotRoomAnchor, RoomNotFound, UpstreamFailure or Overloaded."""
        deadline = self._patience.start()
        async with self._changing("delete", caller, live_id):
            await confirmation.delete(self._upstream, live_id, deadline)
            await self._recent.deleted(live_id)
        await self._cache.mark_missing(live_id)

    @asynccontextmanager
    async def _changing(
        self, operation: str, caller: Caller, live_id: str
    ) -> AsyncGenerator[AnchorRoom]:
        """Read the room, which the caller must control, and teach the cache what comes of it."""
        with (
            recorded(self._report, operation, caller, live_id) as write,
            await self._share.place(caller.user_id),
        ):
            async with self._taught(live_id):
                room = await self._upstream.read(live_id, for_write=True)
                write.as_admin = not policy.is_anchor(caller, room)
                policy.require_control(caller, room, self._scopes)
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


def _batch(looks: dict[str, asyncio.Task[CachedRoom | None]]) -> Batch:
    found, missing, failed = [], [], []
    for live_id, look in looks.items():
        error = look.exception() if look.done() else TimeoutError()
        if error is None and (room := look.result()) is not None:
            found.append(room)
        elif error is None:
            failed.append(live_id)
        elif not isinstance(error, GatewayError | TimeoutError):
            raise error
        elif isinstance(error, RoomNotFound):
            missing.append(live_id)
        else:
            failed.append(live_id)
    return Batch(found, missing, failed)
