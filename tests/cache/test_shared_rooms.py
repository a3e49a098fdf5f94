"""Rooms that processes share through a real store: one reads for all, evictions reach all."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from functools import partial

import pytest

from gateway.cache import Lifetimes
from gateway.rooms import (
    SHAPE,
    CachedRoom,
    FreshRoom,
    Lagging,
    LookupResult,
    RoomNotFound,
    UpstreamError,
    UpstreamFailure,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.shared_store import Script
from tests.fakes.clock import Clock
from tests.fakes.rooms import ENDED, PUSH_URL, HeldUpstream, room_of, title_of
from tests.fakes.shared_cache import Process, new_prefix, process
from tests.fakes.tasks import settle
from tests.store_server import StoreServer, running_store
from tests.waiting import until

LIFETIMES = Lifetimes(fresh=2, revalidate=3, error=30, missing=1)
HASH = "room:a"

STALE_LEASE = f"""
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do redis.call('HDEL', KEYS[1], field) end
redis.call('HSET', KEYS[1], '{SHAPE}:owner', 'dead', '{SHAPE}:lease', ARGV[1])
"""


class World:
    """Processes with an upstream each, whose reads are counted together."""

    def __init__(self, server: StoreServer, stack: AsyncExitStack) -> None:
        self.server = server
        self.prefix = new_prefix()
        self.clock = Clock()
        self.upstreams: list[HeldUpstream] = []
        self.processes: list[Process] = []
        self._stack = stack

    async def start(self, lifetimes: Lifetimes = LIFETIMES) -> Process:
        """Start one more process."""
        upstream = HeldUpstream()
        made = process(self.server.url, self.prefix, self.clock, upstream.read, lifetimes)
        self.upstreams.append(upstream)
        self.processes.append(await self._stack.enter_async_context(made))
        return self.processes[-1]

    @property
    def reads(self) -> int:
        """The number of reads upstream."""
        return sum(len(each.reads) for each in self.upstreams)

    async def titles(self, live_id: str = "a") -> list[str]:
        """Return the title that each process gives, all asked at once."""
        found = await asyncio.gather(*(each.cache.get(live_id) for each in self.processes))
        return [title_of(each) for each in found]

    async def ask(self, *command: str | bytes) -> object:
        """Ask the store."""
        client = self.processes[0].connected.client
        return await client.execute_command(*command)


@pytest.fixture
async def world(store_server: StoreServer) -> AsyncGenerator[World]:
    """Two processes that share a store."""
    async with AsyncExitStack() as stack:
        made = World(store_server, stack)
        for _ in range(2):
            await made.start()
        yield made


def peeked(each: Process, live_id: str = "a") -> str | None:
    """Return the title of a room in the memory of a process."""
    seen = each.cache.peek(live_id)
    return None if seen is None else title_of(seen)


async def found(each: Process, live_id: str = "a") -> str | None:
    """Return the title of a room that a process finds in the store."""
    seen = await each.cache.find(live_id)
    return None if seen is None else title_of(seen)


async def test_one_reads_for_all(world: World) -> None:
    """However many processes look a cold room up, it is read once, and fresh for all alike."""
    for _ in range(2):
        await world.start()
    for number in range(1, 4):
        assert await world.titles() == ["first"] * 4
        assert world.reads == number
        assert {peeked(each) for each in world.processes} == {"first"}
        world.clock.now += 5.1


async def test_a_room_read_before_is_found(world: World) -> None:
    """A process finds a room that another one has read, for the rest of its freshness."""
    a, b = world.processes
    assert await found(b) is None
    await a.cache.get("a")
    world.clock.now += 0.5
    seen = await b.cache.find("a", "bob")
    assert isinstance(seen, CachedRoom)
    assert (title_of(seen), seen.result, seen.max_age) == ("first", LookupResult.SHARED_HIT, 2)
    assert peeked(b) == "first"
    world.clock.now += 1.4
    hit = b.cache.peek("a")
    assert hit is not None
    assert hit.result is LookupResult.HIT
    world.clock.now += 0.2
    stale = b.cache.peek("a")
    assert stale is not None
    assert stale.result is LookupResult.STALE
    shared, hit_ = LookupResult.SHARED_HIT, LookupResult.HIT
    assert b.results == [shared, hit_, hit_, LookupResult.STALE]


async def test_a_crowd_finds_a_room_with_one_call(world: World) -> None:
    """A thousand lookups of one room are one call to the store."""
    a, b = world.processes
    await a.cache.get("a")
    before = b.calls()
    assert set(await asyncio.gather(*(found(b) for _ in range(1000)))) == {"first"}
    assert b.calls() - before == 1


async def test_a_slow_read_keeps_its_lease(world: World) -> None:
    """Those who wait do not read while their leader lives, however slow the upstream is."""
    a, b = world.processes
    for upstream in world.upstreams:
        upstream.answering.clear()
    leads = asyncio.create_task(a.cache.get("a"))
    await until(lambda: world.reads == 1)
    waits = asyncio.create_task(b.cache.get("a"))
    for _ in range(5):
        world.clock.now += 0.3
        await until(partial(renewed, world))
    assert world.reads == 1
    world.upstreams[0].answering.set()
    assert [title_of(each) for each in await asyncio.gather(leads, waits)] == ["first"] * 2
    assert world.reads == 1


async def renewed(world: World) -> bool:
    """Return whether the lease of the room reaches beyond the next 0.3 seconds."""
    held = await world.ask("HGETALL", f"{world.prefix}:{HASH}")
    assert isinstance(held, dict)
    [lease] = [float(value) for name, value in held.items() if name.endswith(b":lease")]
    return lease > (world.clock.now + 0.3) * 1000


async def test_a_leader_that_dies_is_replaced(world: World) -> None:
    """A lease that nobody renews ends after half a second, and another process leads."""
    a, b = world.processes
    await a.store.run(Script(STALE_LEASE), [HASH], round((world.clock.now + 0.5) * 1000))
    waits = asyncio.create_task(b.cache.get("a"))
    await until(lambda: b.calls() > 5)
    assert world.reads == 0
    world.clock.now += 0.6
    assert title_of(await waits) == "first"
    assert world.reads == 1


async def test_a_lookup_that_is_given_up_leaves_no_lease(world: World) -> None:
    """A process whose client leaves before the read is sent lets another one lead at once."""
    a, b = world.processes
    world.upstreams[0].sending.clear()
    leads = asyncio.create_task(a.cache.get("a"))
    await until(lambda: a.calls() >= 1)
    await settle()
    leads.cancel()
    await asyncio.gather(leads, return_exceptions=True)
    assert title_of(await b.cache.get("a")) == "first"


@pytest.mark.parametrize("missing", [False, True])
async def test_what_an_eviction_overtakes_is_kept_nowhere(world: World, *, missing: bool) -> None:
    """A room read before another process evicted it is in no memory and not in the store."""
    a, b = world.processes
    world.upstreams[0].answering.clear()
    old = asyncio.create_task(a.cache.get("a"))
    await until(lambda: world.reads == 1)
    await (b.cache.mark_missing if missing else b.cache.invalidate)("a")
    world.upstreams[0].answering.set()
    assert title_of(await old) == "first"
    world.upstreams[1].title = "second"
    if missing:
        with pytest.raises(RoomNotFound):
            await b.cache.get("a")
        with pytest.raises(RoomNotFound):
            await found(a)
    else:
        assert await found(a) is None
        assert await found(b) is None
        assert title_of(await b.cache.get("a")) == "second"
        assert await found(a) == "second"


async def test_an_eviction_reaches_the_memory_of_all(world: World) -> None:
    """What one process evicts, the others forget, fresh or not."""
    await world.titles()
    await world.processes[0].cache.invalidate("a")
    await until(lambda: [peeked(each) for each in world.processes] == [None, None])


async def test_a_room_found_while_it_is_evicted_is_not_kept(world: World) -> None:
    """A reply of the store that an eviction overtakes is given to nobody, and kept nowhere."""
    a, b = world.processes
    await a.cache.get("a")
    finding = asyncio.create_task(found(b))
    await asyncio.sleep(0)
    b.cache.forget("a")
    assert await finding is None
    assert peeked(b) is None


async def test_a_missing_room_is_missing_for_all(world: World) -> None:
    """A room that one process did not find is not looked for by another, for a short time."""
    a, b = world.processes
    world.upstreams[0].error = RoomNotFound()
    with pytest.raises(RoomNotFound):
        await a.cache.get("a")
    with pytest.raises(RoomNotFound):
        await b.cache.find("a")
    with pytest.raises(RoomNotFound):
        b.cache.peek("a")
    assert world.reads == 1
    world.clock.now += 1.1
    assert title_of(await b.cache.get("a")) == "first"


@pytest.mark.parametrize("error", [UpstreamError("odd"), UpstreamTimeout("late")])
async def test_a_failure_is_told_to_those_who_waited(world: World, error: UpstreamFailure) -> None:
    """A failed read is not repeated by each process, and the next lookup tries again."""
    a, b = world.processes
    world.upstreams[0].error = error
    world.upstreams[0].answering.clear()
    leads = asyncio.create_task(a.cache.get("a"))
    await until(lambda: world.reads == 1)
    waits = asyncio.create_task(b.cache.get("a"))
    await until(lambda: b.calls() >= 2)
    world.upstreams[0].answering.set()
    ended = await asyncio.gather(leads, waits, return_exceptions=True)
    assert [type(each) for each in ended] == [type(error)] * 2
    assert world.reads == 1
    assert title_of(await b.cache.get("a")) == "first"


@pytest.mark.parametrize(
    "error",
    [
        UpstreamUnavailable("its breaker is open", retry_after=1),
        UpstreamError("no connection", sent=False),
        Lagging(room_of(live_status=ENDED)),
    ],
)
async def test_a_failure_of_its_own_is_told_to_nobody(world: World, error: Exception) -> None:
    """What only one process knows or lacks, such as a connection, does not fail the others."""
    a, b = world.processes
    world.upstreams[0].error = error
    world.upstreams[0].answering.clear()
    leads = asyncio.create_task(a.cache.get("a"))
    await until(lambda: world.reads == 1)
    waits = asyncio.create_task(b.cache.get("a"))
    await until(lambda: b.calls() >= 2)
    world.upstreams[0].answering.set()
    with pytest.raises(type(error)):
        await leads
    assert title_of(await waits) == "first"


async def test_an_anchor_always_gets_a_read(world: World) -> None:
    """A room in the store is no answer for its anchor, and what they read is there for others."""
    a, b = world.processes
    await a.cache.get("a", "bob")
    for number in (2, 3):
        assert await b.cache.find("a", "alice") is None
        mine = await b.cache.get("a", "alice")
        assert isinstance(mine, FreshRoom)
        assert mine.room.push_url.reveal() == PUSH_URL
        assert world.reads == number
    world.clock.now += 3
    await b.cache.get("a", "alice")
    assert await found(a) == "first"
    assert world.reads == 4


async def test_no_push_url_is_in_the_store(world: World) -> None:
    """The store has what viewers get, and nothing else of a room."""
    a, _ = world.processes
    await a.cache.get("a", "alice")
    held = await world.ask("HGETALL", f"{world.prefix}:{HASH}")
    assert isinstance(held, dict)
    assert b"first" in b"".join(held.values())
    assert not [each for each in held.values() if b"push" in each or b"canary" in each]


async def test_without_freshness_those_who_wait_share_the_read(world: World) -> None:
    """With a lifetime of zero only lookups at the same time share a read."""
    none = Lifetimes(fresh=0, revalidate=0, error=0, missing=0)
    a, b = [await world.start(none) for _ in range(2)]
    upstream = world.upstreams[2]
    upstream.answering.clear()
    leads = asyncio.create_task(a.cache.get("a"))
    await until(lambda: world.reads == 1)
    waits = asyncio.create_task(b.cache.get("a"))
    await until(lambda: b.calls() >= 2)
    upstream.answering.set()
    assert [title_of(each) for each in await asyncio.gather(leads, waits)] == ["first"] * 2
    assert world.reads == 1
    await b.cache.get("a")
    assert world.reads == 2


async def test_two_releases_evict_each_others_rooms(world: World) -> None:
    """Fields of another shape are left alone by reads and fills, and go with an eviction."""
    a, _ = world.processes
    other = f"{world.prefix}:{HASH}"
    await world.ask("HSET", other, "other:body", "x", "other:until", "9e15", "other:kind", "room")
    assert await found(a) is None
    await a.cache.get("a")
    assert await world.ask("HGET", other, "other:body") == b"x"
    await a.cache.invalidate("a")
    assert await world.ask("EXISTS", other) == 0


async def test_a_key_of_another_type_is_in_nobodys_way(world: World) -> None:
    """If another program has taken the key of a room, each process reads for itself."""
    await world.ask("SET", f"{world.prefix}:{HASH}", "x")
    assert await world.titles() == ["first"] * 2
    assert world.reads == 2
    assert {each.store.state for each in world.processes} == {"ok"}


async def test_forgotten_scripts_are_sent_again(world: World) -> None:
    """A store that has lost its scripts gets them with the next call."""
    await world.titles("b")
    await world.ask("SCRIPT", "FLUSH")
    assert await world.titles() == ["first"] * 2
    assert world.reads == 2


async def test_without_its_subscription_a_process_serves_nothing_stale(world: World) -> None:
    """While evictions are not heard a room is served while fresh; then none from before is."""
    a, _ = world.processes
    await a.cache.get("a")
    world.clock.now += 2.5
    a.cache.lose_touch()
    assert peeked(a) is None
    await a.cache.get("a")
    assert peeked(a) == "first"
    a.cache.regain_touch()
    assert peeked(a) is None
    world.upstreams[0].error = UpstreamError("down")
    await world.ask("DEL", f"{world.prefix}:{HASH}")
    kept = await a.cache.get("a")
    assert isinstance(kept, CachedRoom)
    assert kept.result is LookupResult.STALE_IF_ERROR


async def test_evictions_wait_for_a_store_that_is_down() -> None:
    """Each process goes on alone; others hear of its evictions once the store is back."""
    with running_store() as server:
        port = server.port
        async with AsyncExitStack() as stack:
            world = World(server, stack)
            a, b = [await world.start() for _ in range(2)]
            await world.titles()
            server.process.kill()
            server.process.wait()
            await until(lambda: b"subscription_lost" in b.events.getvalue())
            await a.cache.invalidate("a")
            assert a.store.unsent == 1
            assert (peeked(a), peeked(b)) == (None, "first")
            assert await world.titles("c") == ["first"] * 2
            with running_store(port=port):
                await until(lambda: b.events.getvalue().count(b"subscription_back") == 2)
                await b.cache.get("a")
                await until(partial(back, a))
                await until(lambda: peeked(b) is None)


async def back(each: Process) -> bool:
    """Probe the store, and return whether all that had waited was sent."""
    await each.store.look()
    return not each.store.unsent


async def test_a_store_without_a_reply_delays_a_lookup_once() -> None:
    """A lookup waits a quarter of a second for a store that hangs, and the next one not at all."""
    with running_store() as server:
        async with AsyncExitStack() as stack:
            world = World(server, stack)
            a = await world.start()
            server.pause()
            assert title_of(await a.cache.get("a")) == "first"
            assert a.store.state == "degraded"
            refused = a.calls("refused")
            assert title_of(await a.cache.get("b")) == "first"
            assert a.calls("refused") > refused
            assert a.calls("late") == 1
            server.resume()
