"""The feeds of the rooms that are watched here, each kept current by one poll of the room cache.

A poll follows as soon as the room is no longer fresh, or was evicted by any process. All processes
share the read behind it, so that a room is read once however many watch it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextvars import Context

from structlog.typing import FilteringBoundLogger

from gateway.rooms import CurrentRoom, EncodedRoom, Overloaded, RoomNotFound, UpstreamFailure
from gateway.telemetry import RequestContext

from .feed import RoomFeed
from .reader import Reader

_SHORTEST_PAUSE = 0.25
_PAUSE_AFTER_FAILURE = 1.0
"""Seconds."""


class RoomFeeds:
    """Feeds of rooms that `latest` reads; `wake` wakes readers; `clock` is monotonic, in seconds.

    A state is in doubt when it could not be read again for `seconds`. Each poll gets an id of
    `new_id`, as a request has one.
    """

    def __init__(
        self,
        latest: Callable[[str], Awaitable[CurrentRoom]],
        wake: Callable[[Collection[Reader]], None],
        *,
        seconds: float,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        log: FilteringBoundLogger,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._latest = latest
        self._wake = wake
        self._seconds = seconds
        self._clock = clock
        self._new_id = new_id
        self._log = log
        self._sleep = sleep
        self._feeds: dict[str, RoomFeed] = {}
        self._polls: dict[RoomFeed, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        """Return the number of rooms that are watched."""
        return len(self._feeds)

    def join(self, live_id: str, room: EncodedRoom, reader: Reader) -> RoomFeed:
        """Add a reader to the feed of a room, which has just been found."""
        feed = self._feeds.get(live_id)
        if feed is None:
            feed = self._feeds[live_id] = RoomFeed(room, self._clock())
            self._begin(live_id, feed)
        feed.readers.add(reader)
        return feed

    def leave(self, live_id: str, feed: RoomFeed, reader: Reader) -> None:
        """Remove a reader; a room that nobody watches is read no longer."""
        feed.readers.discard(reader)
        if not feed.readers:
            self._end(live_id, feed)
            self._polls[feed].cancel()
            del self._polls[feed]

    def look_again(self, live_id: str | None) -> None:
        """Read a room at once, None for all: it has been evicted."""
        for each in tuple(self._feeds) if live_id is None else (live_id,):
            if feed := self._feeds.get(each):
                self._polls[feed].cancel()  # what it reads is from before
                self._begin(each, feed)

    def _begin(self, live_id: str, feed: RoomFeed) -> None:
        """Begin to poll, in a context of its own: it outlasts the request that begins it."""
        loop = asyncio.get_running_loop()
        self._polls[feed] = loop.create_task(self._poll(live_id, feed), context=Context())

    async def _poll(self, live_id: str, feed: RoomFeed) -> None:
        while not feed.is_deleted:
            try:
                pause = await self._look(live_id, feed)
            except Exception:  # noqa: BLE001  # watchers wait for the next look
                self._log.exception("room_poll_failed", live_id=live_id)
                pause = _PAUSE_AFTER_FAILURE
            await self._sleep(pause)

    async def _look(self, live_id: str, feed: RoomFeed) -> float:
        """Read the room and tell its readers; return the seconds until the next look."""
        RequestContext(self._new_id()).enter()
        try:
            current = await self._latest(live_id)
        except RoomNotFound:
            feed.is_deleted = True
            self._end(live_id, feed)
            self._wake(feed.readers)
            return 0
        except (UpstreamFailure, Overloaded):
            if not feed.in_doubt and self._clock() - feed.known_at >= self._seconds:
                feed.in_doubt = True
                self._wake(feed.readers)
            return _PAUSE_AFTER_FAILURE
        has_news = feed.publish(current.room, self._clock())
        if has_news or feed.in_doubt:
            feed.in_doubt = False
            self._wake(feed.readers)
        return max(current.fresh, _SHORTEST_PAUSE)

    def _end(self, live_id: str, feed: RoomFeed) -> None:
        if self._feeds.get(live_id) is feed:
            del self._feeds[live_id]
