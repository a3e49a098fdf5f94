"""The event streams of this process: who may have one, what it sends, and how it ends."""

import asyncio
import random
from collections import Counter as Counts
from collections.abc import Awaitable, Callable
from types import MappingProxyType
from typing import NoReturn

from msgspec import Struct

from gateway.rooms import (
    CachedRoom,
    Caller,
    Overloaded,
    RateLimited,
    Unauthenticated,
    UpstreamUnavailable,
)
from gateway.secret import Secret
from gateway.telemetry import Counter

from . import frames
from .feed import RoomFeed
from .frames import HEARTBEAT
from .reader import End, Reader
from .room_feeds import RoomFeeds
from .waking import Waker

Write = Callable[[bytes], Awaitable[None]]
"""Sends a piece of a stream; waits while the client does not read."""

Begin = Callable[[], Awaitable[bool]]
"""Sends the head of a stream; returns False if the client wants no more."""

_TICK = 0.5
_BEAT = 10.0
_PATIENCE = 10.0
_AGE = 900.0
_RECHECK_AFTER_FAILURE = 5.0
_UNTIL_A_PLACE = 5.0
"""Seconds."""

_SPREAD = 0.2
"""The part of `_AGE` by which the ages of streams differ."""

_AT_ONCE = 50
"""Tokens checked before others get a turn."""

_SHORTEST_RETRY, _RETRIES = 0.5, 3.0
"""Seconds after which the first client of an ended stream comes back, and until the last one."""

_STREAMS_PER_SECOND = 1000
"""Clients that come back at once; with more of them the last one waits longer."""

_DOUBT = frames.comment("the live service does not answer; the room may have changed meanwhile")


_LAST_EVENTS = MappingProxyType(
    {
        End.DELETED: "deleted",
        End.EXPIRED: "expired",
        End.AGED: "reconnect",
        End.SHUTDOWN: "reconnect",
    }
)


class Bounds(Struct, frozen=True):
    """At most so many streams may be open: `most` in all, and `of_user`."""

    most: int
    of_user: int


class Watch(Struct, frozen=True):
    """A caller with a token asks to watch a room; they know the state with `last_etag`, if any."""

    caller: Caller
    live_id: str
    token: Secret
    last_etag: bytes | None


class TooManyStreams(RateLimited):
    """The user has as many streams as one user may have."""

    def __init__(self) -> None:
        super().__init__(_UNTIL_A_PLACE)


class Standing(Struct, frozen=True):
    """Tells whether tokens are still accepted.

    `expiry` returns the `exp` of a token in epoch seconds; it raises Unauthenticated for one that
    is refused, UpstreamUnavailable if nobody can tell. `changes` counts what may have refused some.
    """

    expiry: Callable[[Secret], Awaitable[float]]
    changes: Callable[[], int]


class Tally(Struct, frozen=True):
    """The counters of streams opened, of those ended by `End`, and of events sent by name."""

    opened: Counter
    ended: Counter
    sent: Counter


class EventStreams:
    """Streams of the rooms that `view` shows to their callers, fed by `feeds`.

    `clock` is monotonic and `now` gives epoch seconds. `feeds` wake their readers with `waker`.
    """

    def __init__(
        self,
        view: Callable[[Caller, str], Awaitable[CachedRoom]],
        feeds: RoomFeeds,
        waker: Waker,
        standing: Standing,
        tally: Tally,
        bounds: Bounds,
        *,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._view = view
        self._feeds = feeds
        self._waker = waker
        self._standing = standing
        self._changes_seen = standing.changes()
        self._tally = tally
        self._bounds = bounds
        self._clock = clock
        self._now = now
        self._readers: set[Reader] = set()
        self._places = 0
        self._of_users: Counts[str] = Counts()
        self._is_draining = False
        self._longest_retry = _RETRIES

    def __len__(self) -> int:
        """Return the number of streams that are open."""
        return len(self._readers)

    async def serve(self, wanted: Watch, begin: Begin, write: Write) -> bool:
        """Write the stream of a room until it ends.

        Returns False for a client that did not read, whose connection is to be cut. Raises
        Overloaded, TooManyStreams, and what a read of the room raises, before it begins.
        """
        user_id = wanted.caller.user_id
        self._require_place(user_id)
        self._places += 1
        self._of_users[user_id] += 1
        try:
            room = await self._view(wanted.caller, wanted.live_id)
            reader = Reader(wanted.token, wanted.last_etag)
            self._begin(reader, await self._standing.expiry(wanted.token))
            feed = self._feeds.join(wanted.live_id, room.room, reader)
            try:
                return not await begin() or await self._tell(reader, feed, write)
            finally:
                self._feeds.leave(wanted.live_id, feed, reader)
                self._end(reader)
        finally:
            self._places -= 1
            self._of_users[user_id] -= 1
            if not self._of_users[user_id]:
                del self._of_users[user_id]

    async def watch(self) -> NoReturn:
        """Wake those with something to do by themselves, and drop those that do not read."""
        while True:
            await asyncio.sleep(_TICK)
            self.look()

    def look(self) -> None:
        """Do so once."""
        now = self._clock()
        due = []
        for reader in self._readers:
            if reader.writing_since is None:
                if now >= reader.due_at:
                    due.append(reader)
            elif now - reader.writing_since >= _PATIENCE:
                reader.drop()
        self._waker.wake(due)

    async def follow_changes(self) -> NoReturn:
        """Recheck after each change that may have made tokens bad."""
        while True:
            await asyncio.sleep(_TICK)
            if (changes := self._standing.changes()) != self._changes_seen:
                if await self.recheck():
                    self._changes_seen = changes
                else:
                    await asyncio.sleep(_RECHECK_AFTER_FAILURE)

    async def recheck(self) -> bool:
        """End the streams whose token is accepted no longer; return False if nobody could tell.

        Others get a turn in between.
        """
        clear = True
        for number, reader in enumerate(tuple(self._readers)):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            try:
                await self._standing.expiry(reader.token)
            except Unauthenticated:
                reader.end = reader.end or End.EXPIRED
                reader.wake()
            except UpstreamUnavailable:
                clear = False
        return clear

    async def drain(self, draining: asyncio.Event) -> None:
        """Once the process is to stop, send every client elsewhere, not all at the same time."""
        await draining.wait()
        self._is_draining = True
        for reader in self._readers:
            reader.end = reader.end or End.SHUTDOWN
        self._waker.wake(self._readers)

    def _require_place(self, user_id: str) -> None:
        if self._places >= self._bounds.most:
            raise Overloaded
        if self._of_users[user_id] >= self._bounds.of_user:
            raise TooManyStreams

    def _begin(self, reader: Reader, expires: float) -> None:
        now = self._clock()
        reader.beat_at = now + _BEAT
        reader.aged_at = now + _AGE * (1 + _SPREAD * random.uniform(-1, 1))  # noqa: S311  # nosec B311  # no secret
        reader.expires_at = now + expires - self._now()
        if self._is_draining:
            reader.end = End.SHUTDOWN
        self._readers.add(reader)
        self._longest_retry = max(_RETRIES, len(self._readers) / _STREAMS_PER_SECOND)
        self._tally.opened.inc()

    def _end(self, reader: Reader) -> None:
        self._readers.discard(reader)
        self._tally.ended.inc(reader.end or End.GONE)

    async def _tell(self, reader: Reader, feed: RoomFeed, write: Write) -> bool:
        """Write a stream; return True after its last event, False if its client does not read."""
        piece, goes_on = self._next(reader, feed)
        piece = frames.retry(self._retry()) + piece
        try:
            while True:
                if piece:
                    reader.writing_since = self._clock()
                    await write(piece)
                    reader.writing_since = None
                if not goes_on:
                    return True
                await reader.sleep()
                piece, goes_on = self._next(reader, feed)
        except asyncio.CancelledError:
            if not reader.was_dropped():
                raise
            return False

    def _next(self, reader: Reader, feed: RoomFeed) -> tuple[bytes, bool]:
        """Return what to write now, and whether the stream goes on after it."""
        now = self._clock()
        pieces = []
        if news := feed.news(reader.etag):
            name, piece = news
            pieces.append(piece)
            reader.etag = feed.etag
            self._tally.sent.inc(name)
        if feed.in_doubt != reader.told_doubt:
            reader.told_doubt = feed.in_doubt
            if feed.in_doubt:
                pieces.append(_DOUBT)
        reader.end = reader.end or _end_of(reader, feed, now)
        if reader.end is not None:
            pieces.append(self._farewell(reader.end))
        elif now >= reader.beat_at:
            reader.beat_at = now + _BEAT
            pieces.append(HEARTBEAT)
        return b"".join(pieces), reader.end is None

    def _farewell(self, end: End) -> bytes:
        """Return the last event of a stream."""
        name = _LAST_EVENTS[end]
        self._tally.sent.inc(name)
        return frames.event(name, retry=self._retry() if name == "reconnect" else None)

    def _retry(self) -> int:
        """Return the milliseconds after which a client should come back, for each another time."""
        seconds = _SHORTEST_RETRY + random.uniform(0, self._longest_retry)  # noqa: S311  # nosec B311  # no secret
        return round(1000 * seconds)


def _end_of(reader: Reader, feed: RoomFeed, now: float) -> End | None:
    if feed.is_deleted:
        return End.DELETED
    if now >= reader.expires_at:
        return End.EXPIRED
    return End.AGED if now >= reader.aged_at else None
