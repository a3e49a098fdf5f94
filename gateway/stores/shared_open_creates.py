"""`OpenCreates` that all processes share, so that the callback may reach any of them.

Nobody waits for the store: what is told to it is on its way before the create is sent upstream.
While it is down, the callback must reach the process that sent the create. A record has the user's
id, the key as a hash, and the anchor and title asked for. One of another release may not be
readable; then it is none.
"""

from typing import Final

import msgspec

from gateway.rooms import OpenCreate
from gateway.shared_store import Script, SharedStore, StoreUnavailable

from .local_open_creates import HOUR, LocalOpenCreates

_TIME: Final = round(HOUR * 1000)
"""Milliseconds."""

_ADD = Script("redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])")
_REMOVE = Script("redis.call('DEL', KEYS[1])")
_FIND = Script("return redis.call('GET', KEYS[1])")

_decode = msgspec.msgpack.Decoder(OpenCreate).decode


class SharedOpenCreates:
    """Creates in `store`, and in `local` those of this process."""

    def __init__(self, store: SharedStore, local: LocalOpenCreates) -> None:
        self._store = store
        self._local = local

    def add(self, request_id: str, create: OpenCreate) -> None:
        """Remember a create that is about to be sent."""
        self._local.add(request_id, create)
        self._store.send(_ADD, [_key(request_id)], msgspec.msgpack.encode(create), _TIME)

    def remove(self, request_id: str) -> None:
        """Forget a create that has ended."""
        self._local.remove(request_id)
        self._store.send(_REMOVE, [_key(request_id)])

    async def find(self, request_id: str) -> OpenCreate | None:
        """Return a create that is open in any process."""
        own = await self._local.find(request_id)
        if own is not None:
            return own
        try:
            told = await self._store.poll(_FIND, [_key(request_id)])
            return None if told is None else _decode(told)
        except (StoreUnavailable, msgspec.MsgspecError):
            return None


def _key(request_id: str) -> str:
    return f"open:{request_id}"
