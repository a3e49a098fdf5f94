"""Rooms that all processes share: one of them reads a room, the others get what it has read.

A room is one hash in the store, and only the store's clock counts. A process that finds no fresh
room there leads: it takes the lease, reads upstream, and fills in the room. Others poll until then.

- The lease has the token of one load. Only its holder may fill, and only while the lease holds. An
  eviction deletes the hash, lease included: what was read before it is never put back.
- A lease ends after half a second unless its holder renews it. So a process that dies delays the
  others by no more than that.
- A process that waited gets what its leader has read, however short the room's lifetime, and also
  its failure: an error is not repeated by each process.
- Field names carry the name of the room's shape. Two releases with different shapes share a store,
  each with fields of its own, and an eviction by either is one for both.
- If the store does not answer, the process reads for itself.

Neither a `push_url` nor anything else that is secret is in the store: it gets what viewers get.
"""

import asyncio
import itertools
import random
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic

from msgspec import structs

from gateway.rooms import (
    SHAPE,
    Lagging,
    RoomNotFound,
    UpstreamError,
    UpstreamFailure,
    UpstreamTimeout,
)
from gateway.shared_store import NOW, EvictionChannel, Script, SharedStore, StoreUnavailable

from .source import Encode, Loaded, R, Read, Restore, Sent

_LEASE = 0.5
_RENEW = 0.2
_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE = 0.008, 1.5, 0.06
"""Seconds, and a factor."""

_SPARE = 5.0
"""Seconds that a hash is kept after its room is no longer fresh."""

_FOUND, _WAIT, _LEAD = 1, 2, 3
_ROOM, _MISSING = b"room", b"missing"

_FIELDS = f"""
local by, kind, untill = '{SHAPE}:by', '{SHAPE}:kind', '{SHAPE}:until'
local body, etag, anchor = '{SHAPE}:body', '{SHAPE}:etag', '{SHAPE}:anchor'
local owner, lease = '{SHAPE}:owner', '{SHAPE}:lease'
"""

_FIND = Script(
    NOW
    + _FIELDS
    + """
local fresh = tonumber(redis.call('HGET', KEYS[1], untill) or 0) - now
return fresh > 0 and {fresh, redis.call('HMGET', KEYS[1], kind, body, etag, anchor)}
"""
)

# ARGV: token, lease in ms, ms to keep, token of the leader that was waited for, 1 for an anchor.
_LOOK_UP = Script(
    NOW
    + _FIELDS
    + """
local held = redis.call('HMGET', KEYS[1], untill, by, owner, lease)
local fresh = tonumber(held[1] or 0) - now
if ARGV[5] == '0' and (fresh > 0 or (held[2] and held[2] == ARGV[4])) then
  return {1, math.max(fresh, 0), redis.call('HMGET', KEYS[1], kind, body, etag, anchor)}
end
if tonumber(held[4] or 0) > now and held[3] ~= ARGV[1] then return {2, held[3]} end
redis.call('HSET', KEYS[1], owner, ARGV[1], lease, now + ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {3}
"""
)

# ARGV: token, lease in ms, ms to keep.
_RENEWAL = Script(
    NOW
    + _FIELDS
    + """
local held = redis.call('HMGET', KEYS[1], owner, lease)
if held[1] == ARGV[1] and tonumber(held[2]) > now then
  redis.call('HSET', KEYS[1], lease, now + ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
"""
)

# ARGV: token, kind, ms of freshness, ms to keep, body, ETag, anchor. Returns 0 if not the holder.
_FILL = Script(
    NOW
    + _FIELDS
    + """
local held = redis.call('HMGET', KEYS[1], owner, lease)
if held[1] ~= ARGV[1] or tonumber(held[2]) <= now then return 0 end
redis.call('HDEL', KEYS[1], owner, lease, body, etag, anchor)
redis.call('HSET', KEYS[1], by, ARGV[1], kind, ARGV[2], untill, now + ARGV[3])
if ARGV[2] == 'room' then
  redis.call('HSET', KEYS[1], body, ARGV[5], etag, ARGV[6], anchor, ARGV[7])
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
"""
)

# ARGV: token.
_GIVE_UP = Script(
    _FIELDS
    + """
if redis.call('HGET', KEYS[1], owner) == ARGV[1] then redis.call('HDEL', KEYS[1], owner, lease) end
"""
)

# ARGV: channel, message, ms for which the room is known to be missing, ms to keep.
_EVICT = Script(
    NOW
    + _FIELDS
    + """
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[1], ARGV[2])
if ARGV[3] ~= '0' then
  redis.call('HSET', KEYS[1], kind, 'missing', untill, now + ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
"""
)


class SharedRooms(Generic[R]):
    """A `Source` of rooms in `store`; rooms are fresh for `fresh` seconds, missing for `missing`.

    Keys in the store begin with `kind`. `sleep` pauses between two polls.
    """

    def __init__(
        self,
        store: SharedStore,
        channel: EvictionChannel,
        read: Read[R],
        encode: Encode,
        restore: Restore,
        *,
        fresh: float,
        missing: float,
        kind: str = "room",
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._channel = channel
        self._read = read
        self._encode = encode
        self._restore = restore
        self._fresh = fresh
        self._missing = missing
        self._kind = kind
        self._sleep = sleep
        self._lease = _ms(_LEASE)
        self._keep = _ms(max(fresh, missing) + _SPARE)
        self._process = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._finding: dict[str, asyncio.Future[Loaded[R] | None]] = {}

    async def find(self, live_id: str) -> Loaded[R] | None:
        """Return a fresh room from the store; concurrent calls for one room share one call.

        Raises RoomNotFound for one known to be missing.
        """
        under_way = self._finding.get(live_id)
        if under_way is not None:
            return await asyncio.shield(under_way)
        finding: asyncio.Future[Loaded[R] | None] = asyncio.Future()
        self._finding[live_id] = finding
        loaded: Loaded[R] | None = None
        try:
            found = await self._store.run(_FIND, [self._key(live_id)])
            if found and self._finding.get(live_id) is finding:
                loaded = _loaded(self._restore, *found)
        except StoreUnavailable:
            return None
        else:
            return loaded
        finally:
            if self._finding.get(live_id) is finding:
                del self._finding[live_id]
            # for the others, who go on later: an eviction may come between
            finding.set_result(loaded and structs.replace(loaded, keep=False))

    def forget(self, live_id: str) -> None:
        """Let what is being found of a room count as not found: it was evicted meanwhile."""
        self._finding.pop(live_id, None)

    def forget_all(self) -> None:
        """Do the same for all rooms."""
        self._finding.clear()

    async def load(self, live_id: str, on_sent: Sent, *, for_anchor: bool = False) -> Loaded[R]:
        """Return a room from the store, or read it, alone or for all who wait."""
        token = f"{self._process}{next(self._numbers):x}".encode()
        keys, awaited, pause = [self._key(live_id)], b"", _FIRST_PAUSE
        ask = self._store.run
        while True:
            asked = (token, self._lease, self._keep, awaited, int(for_anchor))
            try:
                found = await ask(_LOOK_UP, keys, *asked)
            except BaseException as error:
                self._store.send(_GIVE_UP, keys, token)  # the script may run nevertheless
                if not isinstance(error, StoreUnavailable):
                    raise
                return await self._read_alone(live_id, on_sent)
            if found[0] == _FOUND:
                return _loaded(self._restore, found[1], found[2])
            if found[0] == _LEAD:
                return await self._lead(live_id, token, on_sent)
            if for_anchor:
                return await self._read_alone(live_id, on_sent, keep=False)
            ask, awaited = self._store.poll, found[1]
            await self._sleep(pause * (0.5 + random.random()))  # noqa: S311  # nosec B311  # no secret
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)

    async def evict(self, live_id: str) -> None:
        """Have every process forget a room, soon at the latest when the store is back."""
        await self._evict(live_id, 0)

    async def evict_as_missing(self, live_id: str) -> None:
        """Have every process forget a room, which does not exist."""
        await self._evict(live_id, _ms(self._missing))

    async def _evict(self, live_id: str, missing: int) -> None:
        message = self._channel.message(live_id)
        arguments = (self._channel.name, message, missing, self._keep)
        await self._store.deliver(_EVICT, [self._key(live_id)], *arguments)

    async def _read_alone(self, live_id: str, on_sent: Sent, *, keep: bool = True) -> Loaded[R]:
        room = await self._read(live_id, on_sent)
        return Loaded(self._encode(room.for_viewers()), self._fresh, room, keep)

    async def _lead(self, live_id: str, token: bytes, on_sent: Sent) -> Loaded[R]:
        keys = [self._key(live_id)]
        try:
            with self._renewing(keys, token):
                room = await self._read(live_id, on_sent)
        except RoomNotFound:
            await self._fill(keys, token, _MISSING, self._missing)
            raise
        except UpstreamFailure as error:
            if error.sent and not isinstance(error, Lagging):
                await self._fill(keys, token, error.code.encode(), 0)
            else:  # of this process's own making
                self._store.send(_GIVE_UP, keys, token)
            raise
        except BaseException:
            self._store.send(_GIVE_UP, keys, token)
            raise
        encoded = self._encode(room.for_viewers())
        parts = (encoded.body, encoded.etag, encoded.anchor_id.encode())
        keep = await self._fill(keys, token, _ROOM, self._fresh, *parts)
        return Loaded(encoded, self._fresh, room, keep)

    async def _fill(
        self, keys: list[str], token: bytes, kind: bytes, fresh: float, *room: bytes
    ) -> bool:
        """Return False if the lease was lost: an eviction came meanwhile."""
        arguments: Sequence[bytes | int] = (token, kind, _ms(fresh), self._keep, *room)
        try:
            return bool(await self._store.run(_FILL, keys, *arguments))
        except StoreUnavailable:
            self._store.send(
                _FILL, keys, *arguments
            )  # for those who wait; a second one does nothing
            return True

    @contextmanager
    def _renewing(self, keys: list[str], token: bytes) -> Iterator[None]:
        """Renew the lease while the block runs."""
        loop = asyncio.get_running_loop()
        timers: list[asyncio.TimerHandle] = []  # the last one runs

        def renew() -> None:
            self._store.send(_RENEWAL, keys, token, self._lease, self._keep)
            timers[:] = [loop.call_later(_RENEW, renew)]

        timers.append(loop.call_later(_RENEW, renew))
        try:
            yield
        finally:
            timers[-1].cancel()

    def _key(self, live_id: str) -> str:
        return f"{self._kind}:{live_id}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _loaded(restore: Restore, fresh: int, fields: Sequence[bytes]) -> Loaded[Any]:
    """Return the room in the fields of a hash. Raises what its reader met instead of one."""
    kind, body, etag, anchor = fields
    if kind == _ROOM:
        return Loaded(restore(anchor.decode(), body, etag), fresh / 1000)
    if kind == _MISSING:
        raise RoomNotFound
    if kind == UpstreamTimeout.code.encode():
        raise UpstreamTimeout("the read of another process was late")
    raise UpstreamError("the read of another process failed")
