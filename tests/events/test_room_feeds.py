"""The polls behind the feeds, on a clock that a test moves."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from typing import Any

import pytest
from structlog.testing import CapturingLogger

from gateway.edge import encode_room
from gateway.events.feed import RoomFeed
from gateway.events.reader import Reader
from gateway.events.room_feeds import RoomFeeds
from gateway.rooms import CurrentRoom, RoomNotFound, UpstreamError
from gateway.secret import Secret
from gateway.telemetry import current_request_id
from tests.fakes.clock import Clock
from tests.fakes.rooms import room_of
from tests.fakes.tasks import settle

TTL, STALE = 2.0, 30.0


class Rooms:
    """What is read: rooms by title, fresh for the TTL, or an error. `held` holds reads up."""

    def __init__(self) -> None:
        self.title: str | Exception = "first"
        self.reads: list[str] = []
        self.ids: list[str] = []
        self.going = asyncio.Event()
        self.going.set()

    async def latest(self, live_id: str) -> CurrentRoom:
        """Return the room as it is when the read begins."""
        self.reads.append(live_id)
        self.ids.append(current_request_id())
        seen = self.title
        await self.going.wait()
        if isinstance(seen, Exception):
            raise seen
        return CurrentRoom(encode_room(room_of("a", title=seen).for_viewers()), TTL)


class World:
    """Feeds, what they read, and who was woken."""

    def __init__(self) -> None:
        self.rooms = Rooms()
        self.clock = Clock()
        self.woken: list[set[Reader]] = []
        self.log = CapturingLogger()
        self._joined: list[tuple[str, RoomFeed, Reader]] = []
        self._slept: list[tuple[float, asyncio.Future[None]]] = []
        ids = iter(range(1000))
        self.feeds = RoomFeeds(
            self.rooms.latest,
            self._wake,
            seconds=TTL + STALE,
            clock=self.clock,
            new_id=lambda: f"poll-{next(ids)}",
            log=self.log,
            sleep=self._sleep,
        )

    def _wake(self, readers: Collection[Reader]) -> None:
        self.woken.append(set(readers))

    async def _sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._slept.append((self.clock.now + seconds, woken))
        await woken

    async def join(self, live_id: str = "a") -> tuple[Reader, RoomFeed]:
        """Let somebody watch a room, who knows it as it is now."""
        room = encode_room(room_of("a", title=str(self.rooms.title)).for_viewers())
        reader = Reader(Secret("token"), room.etag)
        feed = self.feeds.join(live_id, room, reader)
        self._joined.append((live_id, feed, reader))
        await settle()
        return reader, feed

    def leave_all(self) -> None:
        """Let nobody watch."""
        for live_id, feed, reader in self._joined:
            if reader in feed.readers:
                self.feeds.leave(live_id, feed, reader)

    async def pass_(self, seconds: float) -> None:
        """Let the time pass, and all polls that are due in it."""
        end = self.clock.now + seconds
        while due := [each for each in self._slept if each[0] <= end and not each[1].done()]:
            self.clock.now, woken = min(due, key=lambda each: each[0])
            woken.set_result(None)
            await settle()
        self.clock.now = end


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    """Return a world; nothing of it goes on after the test."""
    made = World()
    yield made
    made.leave_all()
    await settle()


async def test_a_watched_room_is_read_once_per_ttl(world: World) -> None:
    """However many watch it."""
    for _ in range(3):
        await world.join()
    await world.pass_(5 * TTL)
    assert world.rooms.reads == ["a"] * 6
    assert world.woken == []
    assert len(world.feeds) == 1


async def test_each_poll_has_an_id_of_its_own(world: World) -> None:
    """The vendor's log and ours name the same read."""
    await world.join()
    await world.pass_(TTL)
    assert world.rooms.ids == ["poll-0", "poll-1"]


async def test_readers_are_woken_by_a_change_only(world: World) -> None:
    """All readers of the room, once."""
    (one, feed), (other, _) = await world.join(), await world.join()
    await world.pass_(TTL)
    assert world.woken == []
    world.rooms.title = "second"
    await world.pass_(TTL)
    assert world.woken == [{one, other}]
    assert feed.news(one.etag)
    await world.pass_(TTL)
    assert len(world.woken) == 1


async def test_a_room_that_nobody_watches_is_read_no_longer(world: World) -> None:
    """The last reader ends the poll; the next one begins another."""
    (one, feed), (other, _) = await world.join(), await world.join()
    world.feeds.leave("a", feed, one)
    await world.pass_(TTL)
    assert len(world.rooms.reads) == 2
    world.feeds.leave("a", feed, other)
    await world.pass_(10 * TTL)
    assert len(world.rooms.reads) == 2
    assert len(world.feeds) == 0
    await world.join()
    assert len(world.rooms.reads) == 3


async def test_an_evicted_room_is_read_at_once(world: World) -> None:
    """Of one room or of all; a room that nobody watches is not read."""
    _, _ = await world.join("a")
    world.feeds.look_again("a")
    await settle()
    assert world.rooms.reads == ["a", "a"]
    await world.join("b")
    world.feeds.look_again(None)
    world.feeds.look_again("c")
    await settle()
    assert sorted(world.rooms.reads[3:]) == ["a", "b"]
    await world.pass_(TTL)
    assert len(world.rooms.reads) == 7  # one poll of each room, not two


async def test_a_read_from_before_an_eviction_tells_nothing(world: World) -> None:
    """What is being read when a room is evicted is of before: another read tells."""
    reader, feed = await world.join()
    world.rooms.going.clear()
    world.rooms.title = "before"
    await world.pass_(TTL)
    world.rooms.title = "after"
    world.feeds.look_again("a")
    await settle()
    world.rooms.going.set()
    await settle()
    assert world.woken == [{reader}]
    news = feed.news(reader.etag)
    assert news is not None
    assert b"after" in news[1]


async def test_a_deleted_room_ends_its_feed(world: World) -> None:
    """Its readers are woken, and it is read no longer; who comes then begins anew."""
    reader, feed = await world.join()
    world.rooms.title = RoomNotFound()
    await world.pass_(TTL)
    assert feed.is_deleted
    assert world.woken == [{reader}]
    assert len(world.feeds) == 0
    await world.pass_(10 * TTL)
    assert len(world.rooms.reads) == 2
    world.rooms.title = "again"
    _, other = await world.join()
    assert other is not feed
    world.feeds.leave("a", feed, reader)
    assert len(world.feeds) == 1


async def test_a_failing_upstream_is_told_once_and_late(world: World) -> None:
    """Nothing is said until the stale time is over; then readers hear of the doubt, once."""
    reader, feed = await world.join()
    world.rooms.title = UpstreamError("down")
    await world.pass_(TTL + STALE - 1)
    assert world.woken == []
    await world.pass_(3)
    assert world.woken == [{reader}]
    assert feed.in_doubt
    await world.pass_(60)
    assert len(world.woken) == 1
    world.rooms.title = "first"
    await world.pass_(2)
    assert len(world.woken) == 2
    assert feed.news(reader.etag) is None


async def test_an_unexpected_error_ends_no_poll(world: World) -> None:
    """It is logged, and the room is read again."""
    await world.join()
    world.rooms.title = ValueError("odd")
    await world.pass_(TTL)
    calls: list[Any] = world.log.calls
    assert [each.args for each in calls] == [("room_poll_failed",)]
    world.rooms.title = "second"
    await world.pass_(2)
    assert len(world.woken) == 1
