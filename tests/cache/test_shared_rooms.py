"""Rooms that processes share, over a real store: one upstream read for all, evictions, faults."""

import asyncio
import importlib.util
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from gateway.cache import Lifetimes, SharedRooms, shared_rooms
from gateway.rooms import (
    SHAPE,
    AnchorRoom,
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
from gateway.shared_store import Script, StoreUnavailable, connect
from tests.fakes.clock import Clock
from tests.fakes.rooms import CREATED, PUSH_URL, HeldUpstream, room_of, title_of
from tests.fakes.shared_cache import Process, new_prefix, process
from tests.store_server import StoreServer, running_store
from tests.waiting import until

LIFETIMES = Lifetimes(fresh=2, revalidate=3, error=30, missing=1)
AT_ONCE = Lifetimes(fresh=0, revalidate=0, error=30, missing=0)


class World:
    """Processes that share a store, and what surrounds them."""

    def __init__(self, server: StoreServer, running: AsyncExitStack) -> None:
        self.server = server
        self.prefix = new_prefix()
        self.clock = Clock()
        self.upstream = HeldUpstream()
        self._running = running

    async def start(
        self,
        number: int,
        lifetimes: Lifetimes = LIFETIMES,
        *,
        upstream: HeldUpstream | None = None,
        rooms_of: type[SharedRooms[AnchorRoom]] = SharedRooms,
    ) -> list[Process]:
        """Start so many processes, which read `upstream`."""
        read = (upstream or self.upstream).read
        where = (self.server.url, self.prefix, self.clock, read, lifetimes, rooms_of)
        return [await self._running.enter_async_context(process(*where)) for _ in range(number)]

    async def read_by(
        self, reader: Process, *, reads: int = 1
    ) -> "asyncio.Task[CachedRoom | FreshRoom]":
        """Have a process look a room up whose answer is held, until it has asked upstream."""
        self.upstream.answering.clear()
        looking = asyncio.create_task(reader.cache.get("a"))
        await until(lambda: len(self.upstream.reads) == reads)
        return looking


@asynccontextmanager
async def surroundings(server: StoreServer) -> AsyncGenerator[World]:
    """Give the surroundings of one test; no read is held after it."""
    async with AsyncExitStack() as running:
        world = World(server, running)
        try:
            yield world
        finally:
            world.upstream.sending.set()
            world.upstream.answering.set()


@pytest.fixture
async def world(store_server: StoreServer) -> AsyncGenerator[World]:
    """Give the surroundings of one test."""
    async with surroundings(store_server) as made:
        yield made


@pytest.fixture
async def alone() -> AsyncGenerator[World]:
    """Give the same, with a store that a test may stop."""
    with running_store() as server:
        async with surroundings(server) as made:
            yield made


async def polled(process: Process, times: int = 3) -> None:
    """Wait until a process has asked the store so many times more."""
    asked = 0
    poll = process.store.poll

    async def counted(*args: Any) -> Any:
        nonlocal asked
        asked += 1
        return await poll(*args)

    process.store.poll = counted  # type: ignore[assignment,method-assign]  # watched from here
    await until(lambda: asked >= times)
    process.store.poll = poll  # type: ignore[method-assign]  # watched from here


async def title(reader: Process, user: str | None = None) -> str:
    """Return the title of the room that a process gives."""
    return title_of(await reader.cache.get("a", user))


def peeked(reader: Process) -> str | None:
    """Return the title of the room that a process has in memory and would serve."""
    seen = reader.cache.peek("a")
    return None if seen is None else title_of(seen)


async def field(reader: Process, name: str) -> bytes | None:
    """Return a field of the room in the store."""
    get = Script(f"return redis.call('HGET', KEYS[1], '{SHAPE}:{name}')")
    found: bytes | None = await reader.store.run(get, ["room:a"])
    return found


async def change(reader: Process, command: str) -> Any:
    """Run a command on the room in the store."""
    return await reader.store.run(Script(f"return redis.call({command})"), ["room:a"])


# One read for all


async def test_one_read_answers_all_processes(world: World) -> None:
    """Twenty lookups in four processes cost one read, and each process then has the room."""
    processes = await world.start(4)
    leading = await world.read_by(processes[0])
    waiting = [asyncio.create_task(title(each)) for each in processes for _ in range(5)]
    await polled(processes[3])
    world.upstream.answering.set()
    assert isinstance(await leading, FreshRoom)
    assert await asyncio.gather(*waiting) == ["first"] * 20
    assert world.upstream.reads == ["a"]
    assert [peeked(each) for each in processes] == ["first"] * 4


async def test_a_room_is_read_again_when_it_is_no_longer_fresh(world: World) -> None:
    """A process that joins late has the room for as long as it is fresh for the others."""
    a, b = await world.start(2)
    await title(a)
    world.clock.now += 1.5
    found = await b.cache.get("a")
    assert isinstance(found, CachedRoom)
    assert (found.result, found.max_age) == (LookupResult.SHARED_HIT, 1)
    world.clock.now += 0.6
    world.upstream.title = "second"
    assert (peeked(b), len(world.upstream.reads)) == ("first", 1)  # stale, and read meanwhile
    await until(lambda: peeked(b) == "second")
    assert await title(a) in {"first", "second"}
    await until(lambda: peeked(a) == "second")
    assert len(world.upstream.reads) == 2


async def test_what_others_have_read_is_found_without_a_read(world: World) -> None:
    """`find` gives what is fresh in the store and nothing else, and keeps it."""
    a, b = await world.start(2)
    assert await b.cache.find("a") is None
    await title(a)
    found = await asyncio.gather(*(b.cache.find("a") for _ in range(3)))
    assert [each and title_of(each) for each in found] == ["first"] * 3
    assert peeked(b) == "first"
    world.clock.now += 2
    assert await a.cache.find("a") is None
    assert world.upstream.reads == ["a"]


async def test_a_large_room_is_shared(world: World) -> None:
    """A room of a megabyte, too large for the memory of a process, is read once for all."""
    a, b = await world.start(2)
    world.upstream.title = "x" * (1 << 20)
    assert await title(a) == await title(b) == world.upstream.title
    assert (peeked(a), peeked(b)) == (None, None)
    assert world.upstream.reads == ["a"]


async def test_without_a_lifetime_only_those_who_wait_share(world: World) -> None:
    """With a TTL of 0 a read answers whoever waited for it in any process, and nobody later."""
    a, b = await world.start(2, AT_ONCE)
    leading = await world.read_by(a)
    waiting = asyncio.create_task(title(b))
    await polled(b)
    world.upstream.answering.set()
    assert title_of(await leading) == await waiting == "first"
    assert world.upstream.reads == ["a"]
    world.upstream.title = "second"
    assert (await title(b), await title(a)) == ("second", "second")
    assert len(world.upstream.reads) == 3


# Leaders


async def test_a_reader_that_leaves_hands_over(world: World) -> None:
    """If nobody waits for a leader that has sent nothing yet, another one leads at once."""
    a, b = await world.start(2)
    world.upstream.sending.clear()
    leading = asyncio.create_task(a.cache.get("a"))
    await until(lambda: holds_lease(a))
    waiting = asyncio.create_task(title(b))
    await polled(b)
    leading.cancel()
    await asyncio.wait([leading])
    world.upstream.sending.set()
    async with asyncio.timeout(5):
        assert await waiting == "first"
    assert world.upstream.reads == ["a"]


async def test_a_reader_that_leaves_early_leaves_no_lease(world: World) -> None:
    """One that leaves while the store's answer is on its way holds up no other process."""
    a, b = await world.start(2)
    run = a.store.run

    async def unanswered(*args: Any) -> None:
        await run(*args)
        await asyncio.Event().wait()

    a.store.run = unanswered  # type: ignore[assignment,method-assign]  # watched from here
    leaving = asyncio.create_task(a.cache.get("a"))
    await until(lambda: holds_lease(b))
    leaving.cancel()
    async with asyncio.timeout(5):
        assert await title(b) == "first"
    assert world.upstream.reads == ["a"]


async def test_a_look_that_is_late_leaves_no_lease(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose answer comes too late for its request holds up no other process."""
    monkeypatch.setattr(shared_rooms, "_LEASE", 60.0)
    monkeypatch.setattr(shared_rooms, "_SPARE", 60.0)
    a, b = await world.start(2)
    run = a.store.run

    async def late(*args: Any) -> None:
        await run(*args)
        raise StoreUnavailable

    a.store.run = late  # type: ignore[assignment,method-assign]  # watched from here
    world.upstream.answering.clear()
    reading = asyncio.create_task(a.cache.get("a"))
    await until(lambda: world.upstream.reads == ["a"])
    waiting = asyncio.create_task(title(b))
    await until(lambda: world.upstream.reads == ["a", "a"])
    world.upstream.answering.set()
    async with asyncio.timeout(5):
        assert await waiting == "first"
        await reading


async def test_a_leader_without_time_fills_all_the_same(world: World) -> None:
    """Those who wait get the room of a leader whose request may wait for the store no longer."""
    a, b = await world.start(2)
    run = a.store.run
    looking = await world.read_by(a)
    waiting = asyncio.create_task(title(b))
    await polled(b)

    async def too_late(*_: Any) -> None:
        raise StoreUnavailable

    a.store.run = too_late  # type: ignore[assignment,method-assign]  # watched from here
    world.upstream.answering.set()
    async with asyncio.timeout(5):
        assert await waiting == "first"
        await looking
    a.store.run = run  # type: ignore[method-assign]  # watched from here
    assert world.upstream.reads == ["a"]


async def holds_lease(reader: Process) -> bool:
    """Return whether anybody leads."""
    return await field(reader, "owner") is not None


async def test_a_leader_that_dies_is_followed(world: World) -> None:
    """A lease that nobody renews ends after half a second, and not before.

    What its holder then brings still answers its own callers, and is kept nowhere.
    """
    a, b, c = await world.start(3)
    a.store.send = lambda *_: None  # type: ignore[method-assign]  # its event loop stands still
    leading = await world.read_by(a)
    waiting = [asyncio.create_task(title(each)) for each in (b, c)]
    world.clock.now += 0.49
    await polled(b)
    await polled(c)
    assert len(world.upstream.reads) == 1
    world.upstream.title = "second"
    world.clock.now += 0.02
    await until(lambda: len(world.upstream.reads) == 2)
    world.upstream.answering.set()
    assert await asyncio.gather(*waiting) == ["second"] * 2
    assert title_of(await leading) == "first"
    assert len(world.upstream.reads) == 2
    assert peeked(a) is None
    assert await title(a) == "second"
    assert len(world.upstream.reads) == 2


async def test_a_slow_read_keeps_its_lease(world: World) -> None:
    """While a leader lives it leads, however long its read takes, and the others wait."""
    a, b = await world.start(2)
    leading = await world.read_by(a)
    waiting = asyncio.create_task(title(b))
    for _ in range(3):
        world.clock.now += 0.4
        await until(lambda: is_renewed(world, b), within=10)
    world.upstream.answering.set()
    assert (title_of(await leading), await waiting) == ("first", "first")
    assert world.upstream.reads == ["a"]
    assert peeked(a) == "first"


async def is_renewed(world: World, reader: Process) -> bool:
    """Return whether the lease ends half a second from now."""
    lease = await field(reader, "lease")
    return lease is not None and float(lease) > (world.clock.now + 0.49) * 1000


async def test_a_renewed_lease_is_kept_as_long_as_it_is_renewed(world: World) -> None:
    """A read that takes longer than a hash is kept by default loses neither lease nor result."""
    (a,) = await world.start(1)
    leading = await world.read_by(a)
    await change(a, "'PEXPIRE', KEYS[1], 2000")
    world.clock.now += 0.4

    async def kept() -> bool:
        return int(await change(a, "'PTTL', KEYS[1]")) > 2000

    await until(kept, within=1.5)
    world.upstream.answering.set()
    await leading
    assert peeked(a) == "first"


# Evictions


async def test_an_eviction_reaches_all(world: World) -> None:
    """A room that one process evicts is in no other memory soon, and the next lookup reads it."""
    a, b, c = await world.start(3)
    for each in (a, b, c):
        await title(each)
    await b.cache.invalidate("a")
    assert peeked(b) is None
    await until(lambda: (peeked(a), peeked(c)) == (None, None))
    world.upstream.title = "second"
    assert [await title(each) for each in (a, b, c)] == ["second"] * 3
    assert len(world.upstream.reads) == 2


async def test_an_eviction_that_is_heard_before_the_answer(world: World) -> None:
    """A read that an eviction overtakes answers its caller and is kept nowhere."""
    a, b, c = await world.start(3)
    leading = await world.read_by(a)
    heard = listened(a)
    world.upstream.title = "second"
    await b.cache.invalidate("a")
    await until(lambda: heard == ["a"])
    world.upstream.answering.set()
    assert title_of(await leading) == "first"
    assert peeked(a) is None
    assert [await title(each) for each in (c, a, b)] == ["second"] * 3
    assert len(world.upstream.reads) == 2


async def test_an_eviction_that_is_heard_after_the_answer(world: World) -> None:
    """The same holds if the message has not come when the answer comes."""
    a, b, c = await world.start(3)
    leading = await world.read_by(a)
    heard = listened(a, passed_on=False)
    world.upstream.title = "second"
    await b.cache.invalidate("a")
    world.upstream.answering.set()
    assert title_of(await leading) == "first"
    assert peeked(a) is None
    assert [await title(each) for each in (c, a, b)] == ["second"] * 3
    assert len(world.upstream.reads) == 2
    await until(lambda: heard == ["a"])


def listened(reader: Process, *, passed_on: bool = True) -> list[str]:
    """Return the rooms of which a process hears that they are evicted, from now on."""
    heard: list[str] = []
    forget = reader.cache.forget

    def hear(live_id: str) -> None:
        heard.append(live_id)
        if passed_on:
            forget(live_id)

    reader.cache.forget = hear  # type: ignore[method-assign]  # watched from here
    return heard


async def test_those_who_wait_get_nothing_from_before_an_eviction(world: World) -> None:
    """A lookup that waits for a leader which is overtaken reads for itself."""
    a, b, c = await world.start(3)
    leading = await world.read_by(a)
    waiting = asyncio.create_task(title(b))
    await polled(b)
    world.upstream.title = "second"
    await c.cache.invalidate("a")
    await until(lambda: len(world.upstream.reads) == 2)
    world.upstream.answering.set()
    assert (title_of(await leading), await waiting) == ("first", "second")
    assert await title(c) == "second"
    assert len(world.upstream.reads) == 2


async def test_a_lookup_that_overtakes_an_eviction_here(world: World) -> None:
    """What a lookup finds while the own eviction is still on its way is forgotten with it."""
    a, b = await world.start(2)
    await title(b)
    run, evicting, overtaken = a.store.run, asyncio.Event(), asyncio.Event()

    async def slow(script: Script, keys: Sequence[str], *args: bytes | int) -> Any:
        if b"PUBLISH" in script.source:
            evicting.set()
            await overtaken.wait()
        return await run(script, keys, *args)

    a.store.run = slow  # type: ignore[method-assign]  # watched from here
    invalidating = asyncio.create_task(a.cache.invalidate("a"))
    await evicting.wait()
    assert await title(a) == "first"
    overtaken.set()
    await invalidating
    assert peeked(a) is None


async def test_what_is_found_together_is_forgotten_together(world: World) -> None:
    """An eviction that comes between the ends of two finds of a room holds for both."""
    a, b = await world.start(2)
    await title(a)
    first, second = (asyncio.create_task(b.cache.find("a")) for _ in range(2))
    first.add_done_callback(lambda _: b.cache.forget("a"))
    found = await asyncio.gather(first, second)
    assert [each and title_of(each) for each in found] == ["first"] * 2
    assert peeked(b) is None


async def test_what_is_being_found_is_not_kept_after_an_eviction(world: World) -> None:
    """A find whose answer an eviction overtakes finds nothing."""
    a, b = await world.start(2)
    await title(a)
    run = b.store.run

    async def overtaken(*args: Any) -> Any:
        answer = await run(*args)
        b.cache.forget("a")
        return answer

    b.store.run = overtaken  # type: ignore[assignment,method-assign]  # watched from here
    assert await b.cache.find("a") is None
    assert peeked(b) is None


async def test_a_missing_room_is_known_to_all(world: World) -> None:
    """A room that one process has not found, or has deleted, is read by no other for a while."""
    a, b = await world.start(2)
    world.upstream.error = RoomNotFound()
    for each in (a, b, a, b):
        with pytest.raises(RoomNotFound):
            await each.cache.get("a")
    assert world.upstream.reads == ["a"]
    world.upstream.error = None
    world.clock.now += 1
    assert (await title(b), await title(a)) == ("first", "first")
    await a.cache.mark_missing("a")
    await until(lambda: b.cache.sizes[0] == 0)
    for each in (a, b):
        with pytest.raises(RoomNotFound):
            await each.cache.get("a")
        with pytest.raises(RoomNotFound):
            each.cache.peek("a")
    assert len(world.upstream.reads) == 2
    world.clock.now += 1
    assert await title(b) == "first"


async def test_a_missing_room_is_found_as_such(world: World) -> None:
    """`find` raises RoomNotFound for a room that another process has not found."""
    a, b = await world.start(2)
    world.upstream.error = RoomNotFound()
    with pytest.raises(RoomNotFound):
        await a.cache.get("a")
    with pytest.raises(RoomNotFound):
        await b.cache.find("a")
    assert b.cache.sizes == (0, 1)


# Failures


DOWN, LATE = UpstreamError("down"), UpstreamTimeout("late")


@pytest.mark.parametrize("error", [DOWN, LATE])
async def test_a_failure_reaches_those_who_waited(world: World, error: UpstreamFailure) -> None:
    """A failed read is told to all who waited for it anywhere, and is repeated by who comes later.

    Nobody gets a failure from before.
    """
    a, b, c = await world.start(3)
    world.upstream.error = error
    leading = await world.read_by(a)
    waiting = [asyncio.create_task(each.cache.get("a")) for each in (b, c)]
    await polled(b)
    await polled(c)
    world.upstream.answering.set()
    ended = await asyncio.gather(leading, *waiting, return_exceptions=True)
    assert [type(each) for each in ended] == [type(error)] * 3
    assert world.upstream.reads == ["a"]
    world.upstream.error = None
    assert [await title(each) for each in (c, a, b)] == ["first"] * 3
    assert len(world.upstream.reads) == 2


@pytest.mark.parametrize(
    "error",
    [
        UpstreamUnavailable("busy", retry_after=1),
        Lagging(room_of(live_status=CREATED).for_viewers()),
        ValueError("a fault of the reader"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_failure_of_the_leaders_own_making_is_its_own(
    world: World, error: Exception
) -> None:
    """A full pool, an open breaker, a write that only the leader knows: the next one reads."""
    failing = HeldUpstream()
    failing.answering.clear()
    failing.error = error
    (a,) = await world.start(1, upstream=failing)
    (b,) = await world.start(1)
    leading = asyncio.create_task(a.cache.get("a"))
    await until(lambda: failing.reads == ["a"])
    waiting = asyncio.create_task(title(b))
    await polled(b)
    failing.answering.set()
    with pytest.raises(type(error)):
        await leading
    assert await waiting == "first"
    assert world.upstream.reads == ["a"]


async def test_a_room_is_served_if_the_upstream_fails(world: World) -> None:
    """A process that has a room serves it when the leader, another one, fails."""
    a, b = await world.start(2)
    await title(a)
    await title(b)
    world.clock.now += 10
    world.upstream.error = DOWN
    leading = await world.read_by(a, reads=2)
    waiting = asyncio.create_task(title(b))
    await polled(b)
    world.upstream.answering.set()
    assert (title_of(await leading), await waiting) == ("first", "first")
    assert len(world.upstream.reads) == 2


# Anchors


async def test_an_anchor_always_reads(world: World) -> None:
    """An anchor gets `push_url` from a read of the own process, which the others then share."""
    a, b, c = await world.start(3)
    await title(a)
    for reads in (2, 3):
        found = await b.cache.get("a", "alice")
        assert isinstance(found, FreshRoom)
        assert found.room.push_url.reveal() == PUSH_URL
        assert len(world.upstream.reads) == reads
    assert (await title(c), len(world.upstream.reads)) == ("first", 3)


async def test_an_anchor_does_not_wait_for_another_leader(world: World) -> None:
    """An anchor reads beside a leader, without taking the lease, and its read is not kept.

    So whatever an eviction must not leave behind is what the holder of the lease fills in.
    """
    a, b, c = await world.start(3)
    await b.cache.get("a")  # knows who the anchor is
    world.clock.now += 10
    leading = await world.read_by(a, reads=2)
    own = asyncio.create_task(b.cache.get("a", "alice"))
    await until(lambda: len(world.upstream.reads) == 3)
    world.upstream.title = "second"
    await c.cache.invalidate("a")
    world.upstream.answering.set()
    assert isinstance(await own, FreshRoom)
    await leading
    assert (peeked(a), peeked(b)) == (None, None)
    assert await title(b) == "second"


async def test_an_anchor_who_was_not_known_as_such(world: World) -> None:
    """An anchor who waited for another process's read, unknown as the anchor, reads then."""
    a, b = await world.start(2)
    leading = await world.read_by(a)
    own = asyncio.create_task(b.cache.get("a", "alice"))
    await polled(b)
    world.upstream.answering.set()
    found = await own
    await leading
    assert isinstance(found, FreshRoom)
    assert found.room.push_url.reveal() == PUSH_URL
    assert len(world.upstream.reads) == 2


async def test_no_secret_is_in_the_store() -> None:
    """Nothing that the store holds or is told has a `push_url`."""
    with running_store("--appendonly", "yes") as server:
        async with AsyncExitStack() as running:
            watched = World(server, running)
            a, b = await watched.start(2)
            await a.cache.get("a", "alice")
            await title(b)
            await b.cache.get("a", "alice")
            await a.cache.invalidate("a")
            dump = Script("return redis.call('HGETALL', KEYS[1])")
            await title(a)
            held = b" ".join(await a.store.run(dump, ["room:a"]))
            written = b"".join(path.read_bytes() for path in server.folder.rglob("*.aof"))
    for text in (held, written):
        assert b"Friday" in text or b"first" in text
        assert PUSH_URL.encode() not in text
        assert b"canary" not in text


# Releases


@pytest.fixture
def next_release(monkeypatch: pytest.MonkeyPatch) -> type[SharedRooms[AnchorRoom]]:
    """Return what shares the rooms of a release in which they have another shape."""
    monkeypatch.setattr("gateway.rooms.SHAPE", "another")
    spec = importlib.util.spec_from_file_location("gateway.cache.of_next", shared_rooms.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: type[SharedRooms[AnchorRoom]] = module.SharedRooms
    return made


async def test_two_releases_keep_their_bodies_apart(
    world: World, next_release: type[SharedRooms[AnchorRoom]]
) -> None:
    """During a rollout each release reads a room once for its own processes."""
    old = await world.start(2)
    newer = HeldUpstream()
    newer.title = "of the next"
    new = await world.start(2, upstream=newer, rooms_of=next_release)
    assert [await title(each) for each in old + new] == ["first"] * 2 + ["of the next"] * 2
    assert (world.upstream.reads, newer.reads) == (["a"], ["a"])


async def test_two_releases_evict_for_each_other(
    world: World, next_release: type[SharedRooms[AnchorRoom]]
) -> None:
    """An eviction by a process of either release holds for both, reads in flight included."""
    a, b = await world.start(2)
    newer = HeldUpstream()
    (c,) = await world.start(1, upstream=newer, rooms_of=next_release)
    await title(c)
    leading = await world.read_by(a)
    heard = [listened(each) for each in (a, c)]
    await b.cache.invalidate("a")
    await until(lambda: heard == [["a"], ["a"]])
    assert peeked(c) is None
    world.upstream.title = newer.title = "second"
    world.upstream.answering.set()
    assert title_of(await leading) == "first"
    assert [await title(each) for each in (a, b, c)] == ["second"] * 3
    await c.cache.invalidate("a")
    await until(lambda: (peeked(a), peeked(b)) == (None, None))


# A store in trouble


async def test_a_lost_subscription(alone: World) -> None:
    """While evictions cannot be heard nothing stale is served; then all from before is read again.

    What is fresh may be served meanwhile.
    """
    (a,) = await alone.start(1)
    port = alone.server.port
    await title(a)
    alone.server.process.kill()
    await until(lambda: b"store_subscription_lost" in a.events.getvalue())
    assert peeked(a) == "first"
    alone.clock.now += 2
    assert peeked(a) is None
    alone.upstream.title = "second"
    assert await title(a) == "second"
    with running_store(port=port):
        await until(lambda: a.events.getvalue().count(b"store_subscription_back") == 2)
        assert peeked(a) is None
        alone.upstream.title = "third"
        await recovered(a, alone.clock)
        assert await title(a) == "third"
        alone.clock.now += 3
        assert peeked(a) == "third"  # stale


async def recovered(reader: Process, clock: Clock) -> None:
    """Wait until a process uses the store again."""
    clock.now += 0.5  # the circuit's pause

    async def looked() -> bool:
        await reader.store.look()
        return reader.store.state == "ok"

    await until(looked)


async def test_an_eviction_is_sent_when_the_store_is_back(alone: World) -> None:
    """A room that is evicted while the store hangs is evicted from it before anybody looks."""
    a, b, c = await alone.start(3)
    for each in (a, b):
        await title(each)
    alone.server.pause()
    await b.cache.invalidate("a")
    assert (peeked(a), peeked(b), b.store.unsent) == ("first", None, 1)
    alone.upstream.title = "second"
    assert await title(b) == "second"
    alone.server.resume()
    await recovered(b, alone.clock)
    assert b.store.unsent == 0
    await until(lambda: peeked(a) is None)
    assert await title(c) == await title(a) == "second"


async def test_processes_share_again_after_an_outage(alone: World) -> None:
    """Without a store each process reads for itself, without an error; with it they share again."""
    a, b = await alone.start(2)
    port = alone.server.port
    await title(a)
    alone.server.process.kill()
    alone.server.process.wait()
    alone.clock.now += 10
    assert [await title(each) for each in (a, b)] == ["first"] * 2
    assert len(alone.upstream.reads) == 3
    with running_store(port=port):
        for each in (a, b):
            await recovered(each, alone.clock)
        alone.clock.now += 10
        assert [await title(each) for each in (a, b)] == ["first"] * 2
        assert len(alone.upstream.reads) == 4


@pytest.mark.parametrize("command", ["FLUSHALL", "SCRIPT FLUSH"])
async def test_a_store_that_forgets(alone: World, command: str) -> None:
    """A flush of data or scripts costs a read and no error, also for a read under way."""
    a, b = await alone.start(2)
    leading = await alone.read_by(a)
    waiting = asyncio.create_task(title(b))
    await polled(b)
    client = connect(alone.server.url).client
    await client.execute_command(*command.split())
    await client.aclose()
    alone.upstream.answering.set()
    assert (title_of(await leading), await waiting) == ("first", "first")
    assert [await title(each) for each in (a, b)] == ["first"] * 2
    assert len(alone.upstream.reads) <= 2
    await b.cache.invalidate("a")
    await until(lambda: peeked(a) is None)
    assert (a.store.state, b.store.state) == ("ok", "ok")


async def test_a_key_of_another_type(world: World) -> None:
    """A value that another program has put there is in nobody's way, and an eviction removes it."""
    a, b = await world.start(2)
    await change(a, "'SET', KEYS[1], 'x'")
    assert [await title(each) for each in (a, b)] == ["first"] * 2
    assert world.upstream.reads == ["a"] * 2
    assert (a.store.state, b.store.state) == ("ok", "ok")
    await a.cache.invalidate("a")
    await until(lambda: peeked(b) is None)
    assert [await title(each) for each in (a, b)] == ["first"] * 2
    assert len(world.upstream.reads) == 3
