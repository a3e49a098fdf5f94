"""A store that fails is in nobody's way, and is used again by itself.

A crowd reads and creates at two gateways meanwhile. Most of its rooms are in no memory, so that
each read needs the store.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.live.counting_vendor import Counting, counting_vendor
from tests.live.crowd import Crowd, Seen, send
from tests.live.many import creates, outages, reads
from tests.live.replicas import Replica, replicas
from tests.live.stores import Store, slow_way, store
from tests.live.test_replicas import read_together
from tests.waiting import LIMIT, until

LONGEST = 0.6
"""Seconds that a client may wait: 250 ms is the most for the store, in a look-up and once more.

It is counted beyond what /healthz took at worst, which neither waits for the store nor for the
vendor: so long the machine itself was busy.
"""

CROWD_SECONDS = 4.0


class World:
    """Two gateways, their store and another one."""

    def __init__(
        self, vendor: Counting, shared: Store, other: Store, running: list[Replica]
    ) -> None:
        self.vendor = vendor
        self.store = shared
        self.other = other
        self.replicas = running
        self.tests = 0

    def crowd(self) -> Crowd:
        """Return a crowd whose rooms and users nobody has met before."""
        self.tests += 1
        ports = [each.port for each in self.replicas]
        return Crowd(
            ports,
            readers=8,
            creators=2,
            pause=0.02,
            seconds=CROWD_SECONDS,
            rooms=1000,
            first=1000 * self.tests,
            name=f"crowd-{self.tests}",
        )


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Run them; rooms are fresh for a second."""
    with (
        counting_vendor() as vendor,
        store("--enable-debug-command", "local") as shared,
        store() as other,
        replicas(2, vendor, shared.url, CACHE_TTL="1") as running,
    ):
        yield World(vendor, shared, other, running)


async def killed(world: World) -> None:
    """It is killed and comes back a second later, empty."""
    world.store.kill()
    await asyncio.sleep(1)
    world.store.start()


async def restarted(world: World) -> None:
    """It is killed and comes back at once, three times."""
    for _ in range(3):
        world.store.restart()
        await asyncio.sleep(0.2)


async def paused(world: World) -> None:
    """It stops for two seconds, and then answers all that was asked meanwhile."""
    world.store.pause()
    await asyncio.sleep(2)
    world.store.resume()


async def flushed(world: World) -> None:
    """It forgets all keys and scripts, three times."""
    for _ in range(3):
        world.store.flush()
        await asyncio.sleep(0.2)


async def cut_off(world: World) -> None:
    """It ends all connections, three times."""
    for _ in range(3):
        world.store.ask("CLIENT", "KILL", "TYPE", "normal")
        world.store.ask("CLIENT", "KILL", "TYPE", "pubsub")
        await asyncio.sleep(0.2)


async def full(world: World) -> None:
    """It refuses all writes for a second, as it is full."""
    world.store.ask("CONFIG", "SET", "maxmemory", "1")
    await asyncio.sleep(1)
    world.store.ask("CONFIG", "SET", "maxmemory", "0")


async def read_only(world: World) -> None:
    """It refuses all writes for a second, as it follows another one, and loses what it had."""
    world.store.follow(world.other)
    await asyncio.sleep(1)
    world.store.lead()


async def busy(world: World) -> None:
    """It hangs for half a second at a time, as in a script of somebody else."""
    for _ in range(4):
        await asyncio.to_thread(world.store.ask, "DEBUG", "SLEEP", "0.5")
        await asyncio.sleep(0.1)


async def taken(world: World) -> None:
    """All its keys hold something else than they did."""
    for _ in range(3):
        for key, _, _ in list(world.store):
            world.store.ask("SET", key.decode(), "taken", "PX", "100")
        await asyncio.sleep(0.2)


FAULTS: list[Callable[[World], Awaitable[None]]] = [
    killed,
    restarted,
    paused,
    flushed,
    cut_off,
    full,
    read_only,
    busy,
    taken,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_a_fault_of_the_store(
    world: World, fault: Callable[[World], Awaitable[None]]
) -> None:
    """Every request is answered well and soon, whatever the store does; then it is used again."""
    before = world.vendor.counts().reads
    sent = asyncio.create_task(send(world.crowd()))
    await until(lambda: world.vendor.counts().reads > before + 50)
    await fault(world)
    await outages.until_told(world.replicas, "ok")
    seen = await sent
    assert_well(seen, world.vendor)
    await read_together(world.vendor, world.replicas, f"room-{fault.__name__}")


def assert_well(seen: Seen, vendor: Counting) -> None:
    """Check that nobody was told anything false or bad, or waited for a store."""
    assert seen.bad == {}
    assert seen.false == []
    assert seen.answers["200"] > 100
    assert seen.longest <= LONGEST + seen.pulse
    told = [creates.Told(title, [live_id]) for title, live_id in seen.made.items()]
    assert told
    assert creates.falsehoods(told, vendor) == []


@pytest.mark.parametrize("fault", [Store.kill, Store.pause], ids=["killed", "paused"])
async def test_gateways_tell_of_the_store(world: World, fault: Callable[[Store], None]) -> None:
    """Each gateway says that it is without its store, as long as it is, and is ready meanwhile."""
    fault(world.store)
    await outages.until_told(world.replicas, "degraded")
    for each in world.replicas:
        assert each.gateway.readiness() == (200, "ready")
    world.store.restart()
    await outages.until_told(world.replicas, "ok")


async def test_a_deletion_needs_no_store(world: World) -> None:
    """A room deleted on one gateway while the store is down is gone on others in one lifetime."""
    world.store.pause()
    gone = await outages.seconds_until_gone(world.replicas, reads.fresh("unseen", 5))
    world.store.restart()
    assert gone < LIMIT
    await outages.until_told(world.replicas, "ok")


async def test_a_missed_eviction_is_sent_later() -> None:
    """A deletion that could not be told is told once the store is back, long before the TTL."""
    with (
        counting_vendor() as vendor,
        store() as shared,
        replicas(2, vendor, shared.url, CACHE_TTL="3600") as running,
    ):
        shared.kill()
        await outages.until_told(running, "degraded")
        gone = asyncio.create_task(outages.seconds_until_gone(running, reads.fresh("late", 5)))
        await asyncio.sleep(0.5)
        assert not gone.done()
        shared.start()
        assert await asyncio.wait_for(gone, LIMIT) < LIMIT


async def test_a_gateway_starts_without_its_store(world: World) -> None:
    """A gateway whose store is down starts, serves and says so; it uses the store once it is up."""
    world.store.kill()
    try:
        with replicas(1, world.vendor, world.store.url) as (late,):
            assert (await reads.get(late.port, "room-late")).status == 200
            await outages.until_told([late], "degraded")
            world.store.start()
            await outages.until_told([late], "ok")
            await outages.until_told(world.replicas, "ok")
            await read_together(world.vendor, [late, *world.replicas], "room-later")
    finally:
        world.store.restart()


@pytest.mark.parametrize("delay", [0.05, 0.1, 0.4], ids=["slow", "slower", "too slow"])
async def test_a_slow_store(delay: float) -> None:
    """A store whose replies take long holds nobody up longer than a dead one."""
    with counting_vendor() as vendor, store() as shared, ExitStack() as stack:
        async with slow_way(shared.port, delay) as port:
            url = f"redis://127.0.0.1:{port}"
            running = stack.enter_context(replicas(2, vendor, url, CACHE_TTL="1"))
            ports = [each.port for each in running]
            seen = await send(Crowd(ports, 8, CROWD_SECONDS, 1000, creators=2, pause=0.02))
            assert_well(seen, vendor)
