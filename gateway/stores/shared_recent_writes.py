"""The recent writes of all processes, for reads from a replica of the upstream that lags.

A write goes to the store, and every read looks there for the writes of others. What this process
knows itself it need not ask for. If the store does not answer, it knows of its own writes only.

The store gets the viewer shape of a created room, with the name of that shape. A release with
another shape knows of such a room only that it was written to.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Struct

from gateway.rooms import SHAPE, AnchorRoom, RecentWrites, ViewerRoom
from gateway.shared_store import Script, SharedStore, StoreUnavailable

Room = TypeVar("Room", AnchorRoom, ViewerRoom)

_TELL = Script("redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])")
_LEARN = Script("return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}")


class _Write(Struct, frozen=True, array_like=True):
    """The writes to a room; `created` is the room as JSON, in the shape of this name."""

    shape: str
    created: bytes | None
    ended: bool
    deleted: bool
    begun: bool = False  # last, for a release without it


_decode = msgspec.msgpack.Decoder(_Write).decode
_room = msgspec.json.Decoder(ViewerRoom).decode


class SharedRecentWrites:
    """Writes of the last `lag` seconds on `clock`, in `store` and in this process's memory."""

    def __init__(self, store: SharedStore, lag: float, *, clock: Callable[[], float]) -> None:
        self._store = store
        self._lag = lag
        self._local = RecentWrites(lag, clock=clock)

    async def created(self, room: ViewerRoom) -> None:
        """Remember that `room` was created."""
        await self._local.created(room)
        await self._tell(room.live_id)

    async def started(self, live_id: str) -> None:
        """Remember that a room is living."""
        await self._local.started(live_id)
        await self._tell(live_id)

    async def stopped(self, live_id: str) -> None:
        """Remember that a room has ended; a repeat renews nothing."""
        known = self._local.find(live_id)
        await self._local.stopped(live_id)
        if self._local.find(live_id) is not known:
            await self._tell(live_id)

    async def deleted(self, live_id: str) -> None:
        """Remember that a room is gone."""
        await self._local.deleted(live_id)
        await self._tell(live_id)

    async def judge(self, live_id: str, read: Room | None) -> Room:
        """Return the room that was just read, None for not found, if no write contradicts it.

        Raises RoomNotFound, or Lagging with a better answer.
        """
        if self._lag:
            await self._learn(live_id)
        return await self._local.judge(live_id, read)

    async def _tell(self, live_id: str) -> None:
        write = self._local.find(live_id)
        if write is None:
            return
        created = None if write.created is None else msgspec.json.encode(write.created)
        told = _Write(SHAPE, created, write.ended, write.deleted, write.begun)
        encoded = msgspec.msgpack.encode(told)
        await self._store.deliver(_TELL, [_key(live_id)], encoded, round(self._lag * 1000))

    async def _learn(self, live_id: str) -> None:
        try:
            told, left = await self._store.run(_LEARN, [_key(live_id)])
            if told is not None:
                self._adopt(live_id, _decode(told), left / 1000)
        except (StoreUnavailable, msgspec.MsgspecError):
            return

    def _adopt(self, live_id: str, write: _Write, seconds: float) -> None:
        text = write.created if write.shape == SHAPE else None
        created = None if text is None else _room(text)
        self._local.learn(
            live_id,
            seconds,
            created=created,
            begun=write.begun,
            ended=write.ended,
            deleted=write.deleted,
        )


def _key(live_id: str) -> str:
    return f"write:{live_id}"
