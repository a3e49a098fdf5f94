"""What the gateway does with rooms: the rules of `policy` applied around the upstream's calls.

- A read is answered from memory where it can be, but a room's own anchor gets it fresh, because
  the memory holds no `push_url`.
- Stop and delete read the room first, because only the room says whose it is. Builds of the
  vendor's service are known to carry a stop out and still answer with an error, so after a refused
  write the room is read once more before the caller is told that it failed.
- A write evicts the room before it is sent, so that no read that began earlier is kept, and again
  once it has ended, so that none that ran beside it is.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Protocol

from . import policy
from .caller import Caller
from .creation import Creation, Creator
from .errors import GatewayError, RoomNotFound, RoomNotLive, UpstreamError, UpstreamFailure
from .lookup import Batch, CachedRoom, FreshRoom
from .room import AnchorRoom, NewRoom
from .upstream import Upstream

_FAN_OUT = 10
"""Rooms of one batch that are read at the same time."""


class RoomCache(Protocol):
    """Rooms remembered for a while; what it fetches it reads upstream, once for all who ask."""

    def peek(self, live_id: str, reader: str | None = None) -> CachedRoom | None:
        """Return a room that may be served to `reader`; raise RoomNotFound for a known gap.

        Its own anchor gets nothing.
        """
        ...

    async def fetch(self, live_id: str) -> FreshRoom:
        """Read a room upstream."""
        ...

    def stale_if_error(self, live_id: str, reader: str | None = None) -> CachedRoom | None:
        """Return a room that may be served to `reader` because the upstream failed.

        Its own anchor gets nothing.
        """
        ...

    def evict(self, live_id: str) -> None:
        """Forget a room, and what reads in flight will bring of it."""
        ...

    def mark_missing(self, live_id: str) -> None:
        """Evict a room and remember that there is none."""
        ...


class RoomService:
    """Create, get, stop and delete rooms for a caller; `patience` bounds a batch, in seconds."""

    def __init__(
        self,
        upstream: Upstream,
        memory: RoomCache,
        creator: Creator,
        scopes: policy.Scopes,
        *,
        patience: float,
    ) -> None:
        self._upstream = upstream
        self._memory = memory
        self._creator = creator
        self._scopes = scopes
        self._patience = patience

    async def create(
        self,
        caller: Caller,
        room: NewRoom,
        *,
        now: datetime,
        key: str | None = None,
    ) -> Creation:
        """Create a room, or return the one that the caller has created with `key` before.

        Raises MissingScope and what `Creator.create` does.
        """
        policy.require_create(caller, room.anchor_id, self._scopes)
        return await self._creator.create(caller, room, now=now, key=key)

    def peek(self, caller: Caller, live_id: str) -> CachedRoom | None:
        """Return a room from memory, where that is good enough for the caller.

        Raises RoomNotFound for one that is remembered as unknown.
        """
        return self._memory.peek(live_id, caller.user_id)

    async def get(self, caller: Caller, live_id: str) -> CachedRoom | AnchorRoom:
        """Return a room in the caller's shape.

        Raises RoomNotFound, UpstreamError or UpstreamTimeout.
        """
        seen = self.peek(caller, live_id)
        if seen is not None:
            return seen
        try:
            fetched = await self._memory.fetch(live_id)
        except UpstreamFailure:
            last = self._memory.stale_if_error(live_id, caller.user_id)
            if last is None:
                raise
            return last
        if policy.is_anchor(caller, fetched.room):
            return policy.with_push_url(fetched.room)
        return fetched.cached

    async def get_batch(self, live_ids: Sequence[str]) -> Batch:
        """Return several rooms in viewer shape, whoever asks; one never fails the rest.

        A room that has not come within `patience` counts as failed.
        """
        places = asyncio.Semaphore(_FAN_OUT)

        async def look(live_id: str) -> CachedRoom:
            async with places:
                return await self._view(live_id)

        looks = {live_id: asyncio.create_task(look(live_id)) for live_id in live_ids}
        try:
            await asyncio.wait(looks.values(), timeout=self._patience)
            return _batch(looks)
        finally:
            for each in looks.values():
                each.cancel()

    async def stop(self, caller: Caller, live_id: str) -> None:
        """End a room's broadcast; one that has ended already stays so.

        Raises NotRoomAnchor, RoomNotFound, RoomNotLive, UpstreamFailure.
        """
        room = await self._upstream.read(live_id)
        policy.require_control(caller, room, self._scopes)
        if room.has_ended:
            return
        async with self._changing(live_id):
            try:
                await self._upstream.stop(live_id)
            except (RoomNotLive, UpstreamError):
                if not await self._has_ended(live_id):
                    raise

    async def delete(self, caller: Caller, live_id: str) -> None:
        """Delete a room. Raises NotRoomAnchor, RoomNotFound, UpstreamFailure."""
        room = await self._upstream.read(live_id)
        policy.require_control(caller, room, self._scopes)
        async with self._changing(live_id):
            try:
                await self._upstream.delete(live_id)
            except UpstreamError:
                if not await self._is_gone(live_id):
                    raise
        self._memory.mark_missing(live_id)

    async def _view(self, live_id: str) -> CachedRoom:
        seen = self._memory.peek(live_id)
        if seen is not None:
            return seen
        try:
            return (await self._memory.fetch(live_id)).cached
        except UpstreamFailure:
            last = self._memory.stale_if_error(live_id)
            if last is None:
                raise
            return last

    @asynccontextmanager
    async def _changing(self, live_id: str) -> AsyncGenerator[None]:
        self._memory.evict(live_id)
        try:
            yield
        finally:
            self._memory.evict(live_id)

    async def _has_ended(self, live_id: str) -> bool:
        try:
            return (await self._upstream.read(live_id)).has_ended
        except GatewayError:
            return False

    async def _is_gone(self, live_id: str) -> bool:
        try:
            await self._upstream.read(live_id)
        except RoomNotFound:
            return True
        except GatewayError:
            return False
        return False


def _batch(looks: dict[str, asyncio.Task[CachedRoom]]) -> Batch:
    found, missing, failed = [], [], []
    for live_id, look in looks.items():
        error = look.exception() if look.done() else TimeoutError()
        if error is None:
            found.append(look.result())
        elif not isinstance(error, GatewayError | TimeoutError):
            raise error
        elif isinstance(error, RoomNotFound):
            missing.append(live_id)
        else:
            failed.append(live_id)
    return Batch(found, missing, failed)
