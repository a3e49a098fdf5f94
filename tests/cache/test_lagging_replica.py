"""Lookups while a replica lags: viewers are answered at once, and nothing untrue is kept."""

import asyncio

import pytest

from gateway.cache import Lifetimes, LocalRoomCache, UpstreamRooms
from gateway.metrics import Metrics
from gateway.rooms import (
    AnchorRoom,
    CachedRoom,
    FreshRoom,
    LagTolerantRoomCache,
    LagTolerantUpstream,
    LookupResult,
    NewRoom,
    Patience,
    RecentWrites,
    RoomNotFound,
    UpstreamError,
    UpstreamTimeout,
)
from tests.fakes.clock import Clock
from tests.fakes.rooms import (
    CREATED,
    ENDED,
    PUSH_URL,
    Upstream,
    encode,
    room_of,
    share_for_all,
    title_of,
)
from tests.fakes.tasks import until

GONE = RoomNotFound()
NEW = room_of(live_status=CREATED)
OVER = room_of(live_status=ENDED)


class World:
    """A cache over an upstream with scripted reads, as the gateway connects them."""

    def __init__(self, *reads: AnchorRoom | Exception, fresh: float = 2, error: float = 30) -> None:
        self.clock = Clock()
        self.upstream = Upstream(*reads)
        self.recent = RecentWrites(5, clock=self.clock)
        self.results: list[LookupResult] = []
        patience = Patience(3, clock=self.clock, sleep=self.clock.sleep)
        tolerant = LagTolerantUpstream(self.upstream, self.recent, patience)
        self.create = tolerant.create
        self.local = LocalRoomCache(
            UpstreamRooms(tolerant.glance, encode, fresh),
            size=100,
            max_bytes=1 << 20,
            lifetimes=Lifetimes(fresh=fresh, revalidate=fresh, error=error, missing=1),
            share=share_for_all(),
            seconds=60,
            clock=self.clock,
            report=self.results.append,
            evictions=Metrics().evictions,
        )
        self.cache = LagTolerantRoomCache(self.local, tolerant, encode, patience, share_for_all())

    async def status(self, reader: str | None = "bob") -> int:
        """Return the `live_status` that a reader is shown."""
        found = await self.cache.get("1", reader)
        cached = found if isinstance(found, CachedRoom) else found.cached
        return 2 if b'"live_status":2' in cached.room.body else 0

    @property
    def reads(self) -> int:
        """The number of reads that went upstream."""
        return self.upstream.calls.count("read 1")


async def test_a_viewer_finds_a_created_room_at_once() -> None:
    """A viewer is answered after one read that finds nothing, with the room as it was created."""
    world = World(GONE, NEW)
    await world.create(NewRoom(anchor_id="alice", title="Friday"), "req-1")
    found = await world.cache.get("1", "bob")
    assert isinstance(found, CachedRoom)
    assert (title_of(found), found.result) == ("Friday", LookupResult.MISS)
    assert world.clock.now == 1000
    assert world.reads == 1
    assert world.local.sizes == (0, 0)
    assert isinstance(await world.cache.get("1", "bob"), FreshRoom)
    assert world.local.sizes == (1, 0)


async def test_the_anchor_waits_for_push_url() -> None:
    """The anchor is answered once a replica shows the room, for only the upstream has its key."""
    world = World(GONE, GONE, NEW)
    await world.recent.created(NEW.for_viewers())
    found = await world.cache.get("1", "alice")
    assert isinstance(found, FreshRoom)
    assert found.room.push_url.reveal() == PUSH_URL
    assert world.clock.now > 1000
    assert world.reads == 3


async def test_the_anchor_waits_until_the_deadline_only() -> None:
    """A room that never shows is a timeout for its anchor, and nothing is kept as missing."""
    world = World(GONE)
    await world.recent.created(NEW.for_viewers())
    with pytest.raises(UpstreamTimeout):
        await world.cache.get("1", "alice")
    assert world.clock.now < 1003
    assert world.local.sizes == (0, 0)
    assert await world.status() == CREATED


async def test_anchor_and_viewers_at_once() -> None:
    """Readers who share the first read each get their own answer."""
    world = World(GONE, NEW)
    await world.recent.created(NEW.for_viewers())
    readers = ["alice", "bob", None, "carol"]
    found = await asyncio.gather(*(world.cache.get("1", reader) for reader in readers))
    assert [type(each) for each in found] == [FreshRoom, *[CachedRoom] * 3]


async def test_a_stopped_room_is_shown_ended_and_not_kept() -> None:
    """Viewers see a stopped room ended from the first read on, and the old state is not cached."""
    world = World(room_of(), room_of(), OVER)
    await world.cache.get("1", "bob")
    await world.recent.stopped("1")
    await world.cache.invalidate("1")
    assert await world.status() == ENDED
    assert world.local.sizes == (0, 0)
    assert await world.status() == ENDED
    assert world.local.sizes == (1, 0)
    assert world.reads == 3


async def test_who_watches_looks_again_in_a_second() -> None:
    """A watched room that lags is told as the write left it, and read again after a second."""
    world = World(room_of(), OVER)
    await world.recent.stopped("1")
    lagging = await world.cache.latest("1")
    assert (b'"live_status":2' in lagging.room.body, lagging.fresh) == (True, 1)
    assert (await world.cache.latest("1")).fresh == 2
    assert world.reads == 2


async def test_the_anchor_sees_a_stopped_room_ended() -> None:
    """The anchor's own read of a stopped room agrees with the stop, without a wait."""
    world = World(room_of())
    await world.recent.stopped("1")
    found = await world.cache.get("1", "alice")
    assert isinstance(found, FreshRoom)
    assert found.room == OVER
    assert world.clock.now == 1000


async def test_a_deleted_room_stays_gone() -> None:
    """A read that still shows a deleted room makes it missing, and that is kept."""
    world = World(room_of())
    await world.recent.deleted("1")
    for _ in range(2):
        with pytest.raises(RoomNotFound):
            await world.cache.get("1", "bob")
    assert world.reads == 1
    world.clock.now += 1
    with pytest.raises(RoomNotFound):
        await world.cache.get("1", "alice")
    assert world.reads == 2


async def test_a_read_that_agrees_ends_nothing() -> None:
    """Another replica may lag still: after a read that agreed, one that does not is not kept."""
    world = World(OVER, room_of(), fresh=0, error=0)
    await world.recent.stopped("1")
    assert [await world.status() for _ in range(2)] == [ENDED, ENDED]


async def test_a_room_that_is_kept_is_served_while_a_replica_lags() -> None:
    """A stale room that agreed stays, and is served, though its refresh contradicts the write."""
    world = World(OVER, room_of(), fresh=1)
    await world.recent.stopped("1")
    await world.cache.get("1", "bob")
    world.clock.now += 1.5
    assert world.cache.peek("1", "bob") is not None
    await until(lambda: world.reads == 2)
    world.clock.now += 1
    assert await world.status() == ENDED
    assert world.results[-1] is LookupResult.STALE_IF_ERROR


async def test_after_the_lag_the_upstream_is_believed() -> None:
    """A room that shows the old state after the lag is that, and is kept."""
    world = World(room_of())
    await world.recent.stopped("1")
    world.clock.now += 5
    assert await world.status() != ENDED
    assert world.local.sizes == (1, 0)


@pytest.mark.parametrize("error", [UpstreamError("down"), UpstreamTimeout("late")])
async def test_other_failures_are_told(error: Exception) -> None:
    """A read that fails tells nothing of a lag, and its error is raised as it is."""
    world = World(error)
    await world.recent.created(NEW.for_viewers())
    with pytest.raises(type(error)) as caught:
        await world.cache.get("1", "bob")
    assert caught.value is error


async def test_a_lookup_is_reported_once() -> None:
    """However often the upstream is read for it, a lookup has one result."""
    world = World(GONE, GONE, NEW)
    await world.recent.created(NEW.for_viewers())
    await world.cache.get("1", "alice")
    assert world.results == [LookupResult.MISS]
