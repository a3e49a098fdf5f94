"""Gateways that share a store, measured from outside: `python -m tests.live.many`.

Real processes on real sockets: gateways of one worker each, a Valkey server, a vendor that counts,
and clients that check all they are told. Each row of the table has the figure asked for and the
one seen; the exit code is 1 if one is missed. It needs a quiet machine, and wrk for one row.
"""

import asyncio
import itertools
import statistics
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from typing import Any, Self

import click
from msgspec import Struct

from tests.bench.figures import percentile
from tests.live.counting_vendor import Counting, counting_vendor
from tests.live.crowd import Crowd, Seen, send
from tests.live.many import creates, hits, limits, outages, reads, secrets, watched
from tests.live.many.row import Row
from tests.live.replicas import Replica, replicas
from tests.live.stores import Store, store
from tests.waiting import until

ROOMS, CLIENTS, KEYS, BATCH = 50, 200, 500, 100
CROWD_PROCESSES = 2
UPSTREAM = 0.02
"""Seconds that the vendor takes."""


class Scale(Struct, frozen=True):
    """Seconds of each load, and how many gateways."""

    seconds: float
    replicas: int


class Stage:
    """A vendor and a store, and gateways that share them, for one check."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self._stack = ExitStack()
        self.vendor: Counting
        self.store: Store

    def __enter__(self) -> Self:
        self.vendor = self._stack.enter_context(counting_vendor())
        self.store = self._stack.enter_context(store())
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def gateways(self, count: int = 0, url: str = "", **environ: str) -> list[Replica]:
        """Start gateways, as many as the scale has unless `count` says otherwise."""
        return self._stack.enter_context(
            replicas(count or self.scale.replicas, self.vendor, url or self.store.url, **environ)
        )


Rows = AsyncIterator[Row]


async def upstream_reads(stage: Stage) -> Rows:
    """Compare what the vendor is read for many gateways and for one."""
    stage.vendor.behave(read=UPSTREAM)
    crowd = Crowd([], CLIENTS, stage.scale.seconds, ROOMS)
    figures = {}
    for count, url in ((1, "none"), (stage.scale.replicas, stage.store.url)):
        with replicas(count, stage.vendor, url, CACHE_TTL="2") as running:
            ports = [each.port for each in running] * (stage.scale.replicas // count)
            crowd = Crowd(ports, CLIENTS, stage.scale.seconds, ROOMS)
            figures[count] = await reads.load(stage.vendor, crowd, CROWD_PROCESSES)
    one, many = figures[1], figures[stage.scale.replicas]
    ratio = many.reads / one.reads
    yield Row(
        f"upstream reads, {stage.scale.replicas} by {CLIENTS} clients, {ROOMS} rooms, TTL 2 s",
        "≤ 1.02 times one process's",
        f"{many.reads} / {one.reads} = {ratio:.3f}",
        ratio <= 1.02,
    )
    yield _true("its answers", many.seen)


async def evictions(stage: Stage) -> Rows:
    """Measure when others show a stop or a delete."""
    running = stage.gateways(CACHE_TTL="60")
    for operation in ("stop", "delete"):
        delays = await reads.eviction_delays(running, operation, reads.fresh(operation, 40))
        at, longest = percentile(delays, 99), max(delays)
        yield Row(
            f"a {operation} seen elsewhere, {len(delays)} times",
            "100 % ≤ 100 ms, p99 ≤ 20 ms",
            f"longest {longest * 1000:.1f} ms, p99 {at * 1000:.1f} ms",
            longest <= 0.1 and at <= 0.02,
        )


async def killed_reader(stage: Stage) -> Rows:
    """Measure what others wait for when the one that reads for all is killed."""
    running = stage.gateways(UPSTREAM_TIMEOUT="30")
    waits: list[float] = []
    for number in range(3):
        waits += await reads.waits_after_a_kill(
            running, stage.vendor, reads.fresh(f"dead-{number}", 20)
        )
        running[0].launch()
        running[0].wait()
    yield Row(
        f"a replica killed while it reads for all, {len(waits)} waiting",
        "no wait over 0.7 s",
        f"longest {max(waits):.3f} s",
        max(waits) <= 0.7,
    )


async def store_stopped(stage: Stage) -> Rows:
    """Pause the store for three seconds under reads and creates."""
    stage.vendor.behave(read=UPSTREAM, create=UPSTREAM)
    running = stage.gateways(CACHE_TTL="2")
    crowd = Crowd([each.port for each in running], 50, 9, ROOMS, creators=4, pause=0.2)
    sent = asyncio.create_task(send(crowd, CROWD_PROCESSES))
    await asyncio.sleep(2.5)
    degraded, well = await outages.paused(stage.store, running, 3)
    seen = await sent
    yield Row("the store stopped for 3 s", "no wait over 0.6 s", _waits(seen), seen.longest <= 0.6)
    yield _true("its answers", seen)
    yield Row("… degraded", "≤ 1 s", f"{degraded:.2f} s", degraded <= 1)
    yield Row("… normal again", "≤ 1 s", f"{well:.2f} s", well <= 1)
    told = [creates.Told(title, [live_id]) for title, live_id in seen.made.items()]
    false = creates.falsehoods(told, stage.vendor)
    yield Row(
        f"… its {len(told)} creates", "each made once", f"{len(false)} false {false[:2]}", not false
    )


async def deleted_without_store(stage: Stage) -> Rows:
    """Delete rooms on one gateway while the store is stopped, and while it is dead."""
    running = stage.gateways(CACHE_TTL="2")
    for name, fault in (("just stopped", stage.store.pause), ("dead", stage.store.kill)):
        live_ids = reads.fresh(f"deleted-{name.replace(' ', '-')}", 10)
        for live_id in live_ids:
            for each in running:
                await reads.get(each.port, live_id)
        fault()
        gone = await outages.seconds_until_gone(running, live_ids)
        yield Row(
            f"a room deleted on one with the store {name}, 10 rooms",
            "gone everywhere within one TTL, 2 s",
            f"{gone:.2f} s",
            gone <= 2.05,  # the look that finds it out, and the read of it
        )
        stage.store.restart()
        await outages.until_told(running, "ok")


async def reads_limit(stage: Stage) -> Rows:
    """Let one user read at all gateways, as fast as they answer and at 60 a second."""
    running = stage.gateways(RATE_LIMIT_READS="1200/minute", CACHE_TTL="60")
    ports = [each.port for each in running]
    for pace in (0, 60):
        asked = await limits.insist(ports, stage.scale.seconds, "read", pace, f"reader-{pace}")
        yield _limited(f"reads, {_pace(pace)}", asked, asked.times(1200, 20), 1.05)


async def writes_limit(stage: Stage) -> Rows:
    """Let one user write at all gateways, as fast as they answer and at 60 a second."""
    running = stage.gateways(RATE_LIMIT_WRITES="60/minute")
    ports = [each.port for each in running]
    for pace in (0, 60):
        asked = await limits.insist(ports, 10, "stop", pace, f"writer-{pace}")
        yield _limited(f"writes, {_pace(pace)}", asked, asked.times(60, 1), 1.0)


async def keyed_creates(stage: Stage) -> Rows:
    """Send keyed creates to all gateways at once, and kill one of them in the middle."""
    running = stage.gateways(UPSTREAM_TIMEOUT="1")  # a claim holds for longer than three calls
    ports = [each.port for each in running]
    stage.vendor.behave(create=UPSTREAM)
    found: list[str] = []
    for keys in _batches("key"):
        told = await creates.race(ports, keys, creates.nothing)
        found += creates.falsehoods(told, stage.vendor)
    made = len(stage.vendor.counts().made)
    yield Row(
        f"{KEYS} keyed creates, each to {len(ports)} at once",
        f"{KEYS} rooms at most, nothing false told",
        f"{made} rooms, {len(found)} false {found[:2]}",
        made <= KEYS and not found,
    )
    stage.vendor.behave(create=0.5)
    found, unknown = [], 0
    for keys in _batches("killed"):
        amid = stage.vendor.counts().creates + BATCH * 4 // 5
        told = await creates.race(ports, keys, _kill_amid(stage.vendor, running[0], amid))
        found += creates.falsehoods(told, stage.vendor)
        unknown += sum(each.answers["504 outcome_unknown"] > 0 for each in told)
        running[0].launch()
        running[0].wait()
    made = len(stage.vendor.counts().made) - made
    yield Row(
        f"the same, the first claimer killed in the middle ({unknown} outcomes unknown)",
        f"{KEYS} rooms at most, nothing false told",
        f"{made} rooms, {len(found)} false {found[:2]}",
        made <= KEYS and not found and unknown > 0,
    )


async def turmoil(stage: Stage) -> Rows:
    """Kill, pause, flush and restart gateways and the store in turn, under reads and creates."""
    stage.vendor.behave(read=UPSTREAM, create=UPSTREAM)
    running = stage.gateways(CACHE_TTL="2")
    seconds = 4 * stage.scale.seconds
    crowd = Crowd([each.port for each in running], 50, seconds, 1000, creators=4, pause=0.2)
    sent = asyncio.create_task(send(crowd, CROWD_PROCESSES))
    done: Counter[str] = Counter()
    faults = [_killed, _paused, _flushed, _restarted, _replica_killed, _replica_paused]
    for fault in itertools.cycle(faults):
        if sent.done():
            break
        await fault(stage.store, running[done.total() % len(running)])
        done[fault.__name__] += 1
        await asyncio.sleep(1)
    seen = await sent
    lost = seen.answers.pop("lost", 0)
    yield _true(f"turmoil for {seconds:g} s, {done.total()} faults, {lost} connections lost", seen)
    titles = Counter(each.title for each in stage.vendor.counts().made)
    told = [creates.Told(title, [live_id]) for title, live_id in seen.made.items()]
    false = creates.falsehoods(told, stage.vendor)
    yield Row(
        f"… its {len(titles)} creates",
        "each made once",
        f"{titles.total() - len(titles)} made twice, {len(false)} false {false[:2]}",
        titles.total() == len(titles) and not false,
    )
    well = await outages.until_told(running, "ok")
    yield Row("… normal again", "≤ 1 s", f"{well:.2f} s", well <= 1)


async def _killed(shared: Store, _: Replica) -> None:
    shared.kill()
    await asyncio.sleep(1)
    shared.start()


async def _paused(shared: Store, _: Replica) -> None:
    shared.pause()
    await asyncio.sleep(2)
    shared.resume()


async def _flushed(shared: Store, _: Replica) -> None:
    shared.flush()


async def _restarted(shared: Store, _: Replica) -> None:
    shared.restart()


async def _replica_killed(_: Store, replica: Replica) -> None:
    await asyncio.to_thread(replica.restart)


async def _replica_paused(_: Store, replica: Replica) -> None:
    replica.pause()
    await asyncio.sleep(1)
    replica.resume()


async def streams(stage: Stage) -> Rows:
    """Let many watch rooms that change, while gateways and the store come and go."""
    stage.vendor.behave(read=UPSTREAM, still=True)
    running = stage.gateways(CACHE_TTL="2")
    live_ids = reads.fresh("watched", 12)
    watchers = [watched.Watcher(live_ids[each % 12], f"watcher-{each}") for each in range(120)]
    over, calm = asyncio.Event(), asyncio.Event()
    watching = [asyncio.create_task(watched.watch(each, running, over)) for each in watchers]
    changing = asyncio.create_task(watched.change(stage.vendor, live_ids, running, calm))
    end = asyncio.get_running_loop().time() + 4 * stage.scale.seconds
    done: Counter[str] = Counter()
    faults = [_killed, _replica_killed, _paused, _replica_paused, _flushed]
    for fault in itertools.cycle(faults):
        if asyncio.get_running_loop().time() > end:
            break
        await fault(stage.store, running[done.total() % len(running)])
        done[fault.__name__] += 1
        await asyncio.sleep(1)
    calm.set()
    deleted = await changing
    await asyncio.sleep(12)  # those who were away are back
    over.set()
    await asyncio.gather(*watching)
    false = [each for watcher in watchers for each in watcher.false]
    late = [
        each for watcher in watchers for each in watched.differences(watcher, stage.vendor, deleted)
    ]
    heard = sum((watcher.heard for watcher in watchers), Counter[str]())
    yield Row(
        f"{len(watchers)} watchers of 12 rooms, {done.total()} faults",
        "nothing false heard, nothing missed in the end",
        f"{dict(heard)}; {len(false)} false {false[:3]}, {len(late)} missed {late[:3]}",
        not false and not late and heard["change"] > 0,
    )


async def local_hits(stage: Stage) -> Rows:
    """Compare hits in memory with a store and without."""
    (shared,) = stage.gateways(1, CACHE_TTL="3600")
    (alone,) = stage.gateways(1, "none", CACHE_TTL="3600")
    for each in (shared, alone):
        hits.pin(each, 0)
    pairs = await hits.pairs(shared, alone, 10, 2)
    ratio = statistics.median(one.per_second / other.per_second for one, other in pairs)
    cost, least = (statistics.median(pair[side].microseconds for pair in pairs) for side in (0, 1))
    yield Row(
        "local hits with the store on",
        "≥ 0.97 times without",
        f"{ratio:.3f} ({cost:.1f} µs of processor each, {least:.1f} without)",
        ratio >= 0.97,
    )


async def shared_hits(stage: Stage) -> Rows:
    """Measure what a hit in the store costs beyond one in memory."""
    running = stage.gateways(2, CACHE_TTL="3600")
    seen = [await hits.costs(running, reads.fresh(f"hit-{each}", 2000)) for each in range(3)]
    at = statistics.median(each.shared - each.local for each in seen)
    read = stage.vendor.counts().reads
    yield Row(
        "a shared hit at 50 in flight, beyond a local one",
        "≤ 60 µs of our CPU",
        f"{at:.0f} µs ({read} upstream reads of 6000 rooms)",
        at <= 60 and read == 6000,
    )


async def told_to_the_store(stage: Stage) -> Rows:
    """Look for secrets in all that the store is sent and holds."""
    running = stage.gateways(
        RATE_LIMIT_READS="20/minute",
        RATE_LIMIT_WRITES="60/minute",
        RATE_LIMIT_FAILED_AUTH="60/minute",
        UPSTREAM_LAG="5",
    )
    async with secrets.overheard(stage.store) as heard:
        await secrets.everything_once(running)
        await asyncio.sleep(0.6)  # what is settled later is sent
    held = secrets.contents(stage.store)
    found = secrets.secrets_in(bytes(heard)) + secrets.secrets_in(held)
    yield Row(
        f"canaries in {len(held)} bytes held and {len(heard)} bytes heard by the store",
        "0",
        f"{len(found)} {found[:3]}",
        not found and len(held) > 1000,
    )


CHECKS: dict[str, Callable[[Stage], Rows]] = {
    check.__name__.replace("_", "-"): check
    for check in (
        upstream_reads,
        evictions,
        killed_reader,
        store_stopped,
        deleted_without_store,
        reads_limit,
        writes_limit,
        keyed_creates,
        turmoil,
        streams,
        local_hits,
        shared_hits,
        told_to_the_store,
    )
}


def _batches(name: str) -> list[list[str]]:
    return [
        [f"{name}-{number + each}" for each in range(BATCH)] for number in range(0, KEYS, BATCH)
    ]


def _kill_amid(vendor: Counting, replica: Replica, creates_seen: int) -> Callable[[], Any]:
    async def kill() -> None:
        await until(lambda: vendor.counts().creates >= creates_seen)
        replica.kill()

    return kill


def _true(name: str, seen: Seen) -> Row:
    return Row(
        name,
        "0 errors, 0 crossed",
        f"{sum(seen.answers.values())} answers, {seen.bad or 'no'} errors, "
        f"{len(seen.false)} false {seen.false[:2]}; {_waits(seen)}",
        not seen.bad and not seen.false,
    )


def _waits(seen: Seen) -> str:
    return f"longest wait {seen.longest:.3f} s, of /healthz {seen.pulse:.3f} s"


def _limited(name: str, asked: limits.Asked, times: float, most: float) -> Row:
    return Row(
        f"limit of {name}",
        f"≤ {most:.2f} times burst and refill",
        f"{asked.passed} of {asked.sent} in {asked.seconds:.1f} s = {times:.3f} times",
        times <= most,
    )


def _pace(pace: float) -> str:
    return f"at {pace}/s each" if pace else "as fast as it can"


async def measure(scale: Scale, names: tuple[str, ...]) -> bool:
    """Print the rows of these checks, of all without a name; return True if all are met."""
    met = True
    for name in names or CHECKS:
        with Stage(scale) as stage:
            async for row in CHECKS[name](stage):
                click.echo(str(row))
                met = met and row.met
    return met


@click.command()
@click.option("--seconds", default=30.0, show_default=True, help="Of each load.")
@click.option("--replicas", "count", default=4, show_default=True)
@click.argument("checks", nargs=-1, type=click.Choice(list(CHECKS)))
def main(seconds: float, count: int, checks: tuple[str, ...]) -> None:
    """Measure what was promised of gateways that share a store."""
    sys.exit(not asyncio.run(measure(Scale(seconds, count), checks)))


if __name__ == "__main__":
    main()
