"""The contract of `RoomCache`, for every implementation: one row each in `IMPLEMENTATIONS`."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import MappingProxyType

import msgspec
import pytest

from gateway.cache import Lifetimes, LocalRoomCache, UpstreamRooms
from gateway.cache.source import Read
from gateway.metrics import Metrics
from gateway.rooms import (
    AnchorRoom,
    CachedRoom,
    FreshRoom,
    GatewayError,
    LagTolerantRoomCache,
    LagTolerantUpstream,
    LookupResult,
    Patience,
    RecentWrites,
    RoomCache,
    RoomNotFound,
    UpstreamError,
    UpstreamTimeout,
)
from gateway.traces.lookups import TracedRoomCache, on_span
from tests.fakes.clock import Clock
from tests.fakes.rooms import PUSH_URL, HeldUpstream, encode, share_for_all, title_of
from tests.fakes.shared_cache import new_prefix, process
from tests.fakes.tasks import settle, until
from tests.store_server import StoreServer
from tests.traces.recording import Recorder

LIFETIMES = Lifetimes(fresh=2, revalidate=3, error=30, missing=1)
DOWN = UpstreamError("down")


class World:
    """The surroundings of a cache: time, an upstream, and the reported results."""

    def __init__(self, server: StoreServer) -> None:
        self.server = server
        self.clock = Clock()
        self.upstream = HeldUpstream()
        self.results: list[LookupResult] = []


@asynccontextmanager
async def local(world: World, read: Read[AnchorRoom] | None = None) -> AsyncGenerator[RoomCache]:
    """Give a cache in this process's memory."""
    cache = LocalRoomCache(
        UpstreamRooms(read or world.upstream.read, encode, LIFETIMES.fresh),
        size=100,
        max_bytes=1 << 20,
        lifetimes=LIFETIMES,
        share=share_for_all(),
        seconds=60,
        clock=world.clock,
        report=on_span(world.results.append),
        evictions=Metrics().evictions,
    )
    yield cache
    await cache.aclose()


@asynccontextmanager
async def lag_tolerant(world: World) -> AsyncGenerator[RoomCache]:
    """Give the same with reads that are judged by recent writes, of which there are none."""
    patience = Patience(5, clock=world.clock, sleep=world.clock.sleep)
    recent = RecentWrites(5, clock=world.clock)
    upstream = LagTolerantUpstream(world.upstream, recent, patience)
    async with local(world, upstream.glance) as cache:
        yield LagTolerantRoomCache(cache, upstream, encode, patience, share_for_all())


@asynccontextmanager
async def traced(world: World) -> AsyncGenerator[RoomCache]:
    """Give the same with spans."""
    async with local(world) as cache:
        yield TracedRoomCache(cache, Recorder().tracer)


@asynccontextmanager
async def shared(world: World) -> AsyncGenerator[RoomCache]:
    """Give a cache that gets its rooms from a store, which nobody else uses."""
    where = (world.server.url, new_prefix())
    async with process(*where, world.clock, world.upstream.read, LIFETIMES) as alone:
        world.results = alone.results
        yield alone.cache


IMPLEMENTATIONS = MappingProxyType(
    {"local": local, "lag tolerant": lag_tolerant, "traced": traced, "shared": shared}
)


@pytest.fixture
def world(store_server: StoreServer) -> World:
    """Return the surroundings of one test."""
    return World(store_server)


@pytest.fixture(params=IMPLEMENTATIONS)
async def cache(request: pytest.FixtureRequest, world: World) -> AsyncGenerator[RoomCache]:
    """Give each implementation in turn."""
    async with IMPLEMENTATIONS[request.param](world) as made:
        yield made


async def title(cache: RoomCache, live_id: str = "a", reader: str | None = None) -> str:
    """Return the title of the room that `get` gives."""
    return title_of(await cache.get(live_id, reader))


async def title_of_latest(cache: RoomCache, live_id: str = "a") -> str:
    """Return the title of the room that `latest` gives."""
    return str(msgspec.json.decode((await cache.latest(live_id)).room.body)["title"])


def peeked(cache: RoomCache, live_id: str = "a") -> str | None:
    """Return the title of the room in memory."""
    seen = cache.peek(live_id)
    return None if seen is None else title_of(seen)


def is_missing(cache: RoomCache) -> bool:
    """Return whether a room is known not to exist."""
    try:
        cache.peek("a")
    except RoomNotFound:
        return True
    return False


async def test_a_read_makes_a_room_fresh(cache: RoomCache, world: World) -> None:
    """A miss gives both shapes of a room, and the next lookups are hits without a read."""
    assert cache.peek("a") is None
    read = await cache.get("a", "bob")
    assert isinstance(read, FreshRoom)
    assert read.room.push_url.reveal() == PUSH_URL
    assert (read.cached.result, read.cached.max_age) == (LookupResult.MISS, 2)
    hit = await cache.get("a", "bob")
    assert isinstance(hit, CachedRoom)
    assert (hit.room, hit.result, hit.max_age) == (read.cached.room, LookupResult.HIT, 2)
    world.clock.now += 1.2
    assert cache.peek("a", "bob") == CachedRoom(hit.room, LookupResult.HIT, 1)
    assert world.upstream.reads == ["a"]
    assert world.results == [LookupResult.MISS, LookupResult.HIT, LookupResult.HIT]


async def test_the_latest_room_is_a_fresh_one(cache: RoomCache, world: World) -> None:
    """`latest` reads a room that is not fresh, waits for it, and tells how long it is fresh."""
    assert (await cache.latest("a")).fresh == 2
    world.clock.now += 1.5
    assert (await cache.latest("a")).fresh == pytest.approx(0.5)
    assert world.upstream.reads == ["a"]
    world.clock.now += 1
    world.upstream.title = "second"
    assert (await title_of_latest(cache), peeked(cache)) == ("second", "second")
    assert world.upstream.reads == ["a", "a"]


async def test_the_latest_room_is_never_an_old_one(cache: RoomCache, world: World) -> None:
    """`latest` raises what a read raises, though a stale room could be served."""
    await cache.latest("a")
    world.clock.now += 2.5
    world.upstream.error = DOWN
    with pytest.raises(UpstreamError):
        await cache.latest("a")
    world.upstream.error = RoomNotFound()
    with pytest.raises(RoomNotFound):
        await cache.latest("a")
    assert is_missing(cache)


async def test_a_look_at_the_latest_room_joins_a_read(cache: RoomCache, world: World) -> None:
    """Lookups and looks at the latest room share one read."""
    world.upstream.answering.clear()
    asking = [asyncio.create_task(each) for each in (title(cache), title_of_latest(cache))]
    await until(lambda: world.upstream.reads == ["a"])
    world.upstream.answering.set()
    assert await asyncio.gather(*asking) == ["first", "first"]
    assert world.upstream.reads == ["a"]


async def test_a_stale_room_is_served_while_one_read_refreshes_it(
    cache: RoomCache, world: World
) -> None:
    """Readers of a stale room are served at once and cause one read, whose room replaces it."""
    await cache.get("a")
    world.clock.now += 4.9
    world.upstream.title = "second"
    world.upstream.answering.clear()
    assert [peeked(cache) for _ in range(10)] == ["first"] * 10
    stale = await cache.get("a")
    assert isinstance(stale, CachedRoom)
    assert (stale.result, stale.max_age) == (LookupResult.STALE, 1)
    await until(lambda: world.upstream.reads == ["a", "a"])
    world.upstream.answering.set()
    await until(lambda: peeked(cache) == "second")
    assert world.upstream.reads == ["a", "a"]


@pytest.mark.parametrize("error", [DOWN, UpstreamTimeout("late")])
async def test_an_expired_room_is_served_if_the_upstream_fails(
    cache: RoomCache, world: World, error: GatewayError
) -> None:
    """Up to the end of its grace period an expired room is better than an error, then it is not."""
    await cache.get("a")
    world.upstream.error = error
    world.clock.now += 31.9
    assert cache.peek("a") is None
    found = await cache.get("a")
    assert isinstance(found, CachedRoom)
    assert (found.result, found.max_age) == (LookupResult.STALE_IF_ERROR, 1)
    world.clock.now += 0.2
    with pytest.raises(type(error)):
        await cache.get("a")
    assert world.results == [LookupResult.MISS, LookupResult.STALE_IF_ERROR, LookupResult.MISS]


async def test_an_expired_room_is_read_again(cache: RoomCache, world: World) -> None:
    """An expired room is not served while the upstream answers."""
    await cache.get("a")
    world.clock.now += 5.1
    world.upstream.title = "second"
    assert await title(cache) == "second"
    assert peeked(cache) == "second"


async def test_concurrent_misses_share_one_read(cache: RoomCache, world: World) -> None:
    """A thousand readers of a cold room cause one read, and one of them is the miss."""
    assert set(await asyncio.gather(*(title(cache) for _ in range(1000)))) == {"first"}
    assert world.upstream.reads == ["a"]
    assert Counter(world.results) == {LookupResult.MISS: 1, LookupResult.COALESCED: 999}


async def test_the_first_reader_may_leave(cache: RoomCache, world: World) -> None:
    """Cancelling the lookup that began a read fails none of the others."""
    world.upstream.answering.clear()
    first, *others = [asyncio.create_task(title(cache)) for _ in range(10)]
    await until(lambda: world.upstream.reads == ["a"])
    first.cancel()
    await settle()
    world.upstream.answering.set()
    assert await asyncio.gather(*others) == ["first"] * 9
    assert first.cancelled()
    assert world.upstream.reads == ["a"]
    assert len(world.results) == 10


async def test_a_sent_read_is_kept_without_readers(cache: RoomCache, world: World) -> None:
    """The result of a read that was sent is kept even if all its readers have left."""
    world.upstream.answering.clear()
    reader = asyncio.create_task(title(cache))
    await until(lambda: world.upstream.reads == ["a"])
    reader.cancel()
    await settle()
    world.upstream.answering.set()
    await until(lambda: peeked(cache) == "first")


async def test_an_error_is_shared(cache: RoomCache, world: World) -> None:
    """All waiting readers get the error of one read, and the next reader tries again."""
    world.upstream.error = DOWN
    ended = await asyncio.gather(*(title(cache) for _ in range(50)), return_exceptions=True)
    assert {type(each) for each in ended} == {UpstreamError}
    assert world.upstream.reads == ["a"]
    world.upstream.error = None
    assert await title(cache) == "first"


@pytest.mark.parametrize("warm", [False, True])
async def test_a_read_that_was_overtaken_is_not_kept(
    cache: RoomCache, world: World, *, warm: bool
) -> None:
    """A read from before a write answers its readers, and its room is not kept."""
    if warm:
        await cache.get("a")
        world.clock.now += 10
    world.upstream.answering.clear()
    old = asyncio.create_task(title(cache))
    await until(lambda: len(world.upstream.reads) == 1 + warm)
    await cache.invalidate("a")
    world.upstream.answering.set()
    assert await old == "first"
    assert cache.peek("a") is None


async def test_a_read_that_was_overtaken_does_not_revive_a_room(
    cache: RoomCache, world: World
) -> None:
    """A room marked missing stays so, though a read from before brings it."""
    world.upstream.answering.clear()
    old = asyncio.create_task(title(cache))
    await until(lambda: world.upstream.reads == ["a"])
    await cache.mark_missing("a")
    world.upstream.answering.set()
    assert await old == "first"
    with pytest.raises(RoomNotFound):
        cache.peek("a")


async def test_a_reader_after_a_write_does_not_join_an_older_read(
    cache: RoomCache, world: World
) -> None:
    """A lookup after a write has a read of its own, whose room is kept."""
    world.upstream.answering.clear()
    old = asyncio.create_task(title(cache))
    await until(lambda: world.upstream.reads == ["a"])
    await cache.invalidate("a")
    world.upstream.title = "second"
    new = asyncio.create_task(title(cache))
    await until(lambda: world.upstream.reads == ["a", "a"])
    world.upstream.answering.set()
    assert (await old, await new) == ("first", "second")
    assert peeked(cache) == "second"


async def test_a_read_that_was_overtaken_marks_nothing_missing(
    cache: RoomCache, world: World
) -> None:
    """A room that a read from before a write did not find may exist after it."""
    world.upstream.error = RoomNotFound()
    world.upstream.answering.clear()
    old = asyncio.create_task(title(cache))
    await until(lambda: world.upstream.reads == ["a"])
    await cache.invalidate("a")
    world.upstream.answering.set()
    with pytest.raises(RoomNotFound):
        await old
    assert cache.peek("a") is None


async def test_an_invalidated_room_is_served_to_nobody(cache: RoomCache, world: World) -> None:
    """After a write the old room is gone, even if the upstream fails."""
    await cache.get("a")
    await cache.invalidate("a")
    assert cache.peek("a") is None
    world.upstream.error = DOWN
    with pytest.raises(UpstreamError):
        await cache.get("a")


async def test_invalidation_begins_at_once(cache: RoomCache) -> None:
    """A room is forgotten here before `invalidate` first suspends."""
    await cache.get("a")
    invalidating = asyncio.create_task(cache.invalidate("a"))
    await asyncio.sleep(0)
    assert cache.peek("a") is None
    await invalidating


async def test_a_missing_room_is_remembered_for_a_short_time(
    cache: RoomCache, world: World
) -> None:
    """A room that was not found is refused from memory, then read again."""
    world.upstream.error = RoomNotFound()
    for _ in range(3):
        with pytest.raises(RoomNotFound):
            await cache.get("a", "alice")
    with pytest.raises(RoomNotFound):
        cache.peek("a")
    assert world.upstream.reads == ["a"]
    assert world.results == [LookupResult.MISS, *[LookupResult.MISSING] * 3]
    world.clock.now += 1
    assert cache.peek("a") is None
    world.upstream.error = None
    await cache.get("a")
    assert peeked(cache) == "first"


async def test_a_room_marked_missing_is_missing(cache: RoomCache, world: World) -> None:
    """A deleted room is refused from memory, though it was fresh a moment ago."""
    await cache.get("a")
    await cache.mark_missing("a")
    with pytest.raises(RoomNotFound):
        cache.peek("a")
    with pytest.raises(RoomNotFound):
        await cache.get("a")
    assert world.upstream.reads == ["a"]


async def test_a_refresh_that_finds_no_room_ends_the_stale_one(
    cache: RoomCache, world: World
) -> None:
    """A room deleted elsewhere is missing once its refresh has shown so."""
    await cache.get("a")
    world.clock.now += 3
    world.upstream.error = RoomNotFound()
    assert peeked(cache) == "first"
    await until(lambda: is_missing(cache))


async def test_a_room_is_never_cached_for_its_anchor(cache: RoomCache, world: World) -> None:
    """An anchor's lookups are reads, of a cold, fresh or stale room, and fail if they fail."""
    for _ in range(2):
        found = await cache.get("a", "alice")
        assert isinstance(found, FreshRoom)
        assert found.room.push_url.reveal() == PUSH_URL
        assert cache.peek("a", "alice") is None
        world.clock.now += 2
    assert peeked(cache) == "first"
    world.upstream.error = DOWN
    with pytest.raises(UpstreamError):
        await cache.get("a", "alice")
    bypass = LookupResult.BYPASS
    assert world.results == [bypass, bypass, LookupResult.STALE, LookupResult.COALESCED]


async def test_rooms_do_not_meet(cache: RoomCache, world: World) -> None:
    """Each id has its own read, its own room and its own fate."""
    await asyncio.gather(cache.get("a"), cache.get("b"))
    await cache.invalidate("a")
    assert (peeked(cache, "a"), peeked(cache, "b")) == (None, "first")
    assert sorted(world.upstream.reads) == ["a", "b"]


async def test_an_invalidated_room_is_not_missing_any_more(cache: RoomCache) -> None:
    """A room that was known to be missing is read again after `invalidate`."""
    await cache.mark_missing("a")
    await cache.invalidate("a")
    assert await title(cache) == "first"
