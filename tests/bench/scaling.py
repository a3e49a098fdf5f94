"""What more processes bring, and what they cost: `python -m tests.bench.scaling`.

Gateways of one worker each share a Valkey server and a vendor that counts; one gateway without a
store is what they are compared with. All run on the cores there are, together with the load. So
the processor time of a read tells more than reads per second once the cores are used up. It needs
wrk.
"""

import argparse
import asyncio
import statistics
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack

import msgspec
from msgspec import Struct

from tests.bench import results
from tests.bench.audience import Audience, Costs
from tests.bench.results import Row, told
from tests.live.counting_vendor import Counting, counting_vendor
from tests.live.crowd import Crowd
from tests.live.many import hits, reads
from tests.live.many.hits import Pace
from tests.live.replicas import Replica, replicas
from tests.live.stores import Store, store

COUNTS = (1, 2, 4)
ALONE, ARITHMETIC = "1 process, no store", "the arithmetic"
ALL_CORES = "0-1"
POLLS = Audience(viewers=400, rooms=500, poll=0.5)
"""Those who poll while the calls of the store are counted."""

_LAG = {"UPSTREAM_LAG": "5"}
"""As by default; the fleets of tests have none."""

_KEPT = {"CACHE_TTL": "3600", **_LAG}

UPSTREAM = 0.02
"""Seconds that the vendor takes to answer."""

BUSY = 0.6
"""The share of a core at which README advises another worker."""

MILLIONS = (Audience(1_000_000, 100), Audience(1_000_000, 1_000), Audience(1_000_000, 50_000))


class Used(Struct, frozen=True):
    """Calls that a store has answered, and the seconds of processor time it has used."""

    calls: int
    seconds: float


async def rows(rounds: int, seconds: int) -> AsyncIterator[Row]:
    """Measure cached reads, reads by where the room is found, and polls; calculate the rest."""
    with ExitStack() as stack:
        vendor = stack.enter_context(counting_vendor())
        shared = stack.enter_context(store())
        fleets = {ALONE: stack.enter_context(replicas(1, vendor, "none", **_KEPT))}
        for count in COUNTS:
            fleets[_named(count)] = stack.enter_context(
                replicas(count, vendor, shared.url, **_KEPT)
            )
        paces = await _cached_reads(fleets, rounds, seconds)
        for row in _compared(paces):
            yield row
        before = _used(shared)
        costs = await _costs(fleets[_named(2)], rounds)
        call = _cost_of_a_call(before, _used(shared))
    yield _ratio("a room found in the store", costs.shared, costs.local)
    yield _ratio("a room read upstream", costs.missed, costs.local)
    yield told("a call of the store", f"{call:.0f} µs", "of its processor, at 50 in flight")
    async for row in _polls(3 * seconds):
        yield row
    for row in _needs(_of_single_reads(costs, paces), call):
        yield row


async def _cached_reads(
    fleets: Mapping[str, Sequence[Replica]], rounds: int, seconds: int
) -> dict[str, list[Pace]]:
    """Have wrk read at all gateways of a fleet at once, the fleets in turns."""
    paces: dict[str, list[Pace]] = {name: [] for name in fleets}
    for _ in range(rounds):
        for name, fleet in fleets.items():
            each = await asyncio.gather(
                *(hits.local_hits(replica, seconds, ALL_CORES) for replica in fleet)
            )
            paces[name].append(_together(each))
    return paces


def _together(paces: Sequence[Pace]) -> Pace:
    total = sum(each.per_second for each in paces)
    cost = sum(each.per_second * each.microseconds for each in paces) / total
    return Pace(total, cost)


def _compared(paces: Mapping[str, Sequence[Pace]]) -> list[Row]:
    """Compare each fleet with the gateway alone."""
    rate = {name: statistics.median(each.per_second for each in paces[name]) for name in paces}
    cost = {name: statistics.median(each.microseconds for each in paces[name]) for name in paces}
    return [
        told(
            f"cached reads, {name}",
            f"{rate[name] / rate[ALONE]:.2f}",
            f"{rate[name]:,.0f} req/s; {cost[name]:.1f} µs of processor each, "
            f"{cost[name] / cost[ALONE]:.2f} times as much",
            ALONE,
        )
        for name in paces
    ]


async def _costs(pair: Sequence[Replica], rounds: int) -> Costs:
    """Return what a read costs by where the room is found, as a batch of one."""
    seen = [await hits.costs(pair, reads.fresh(f"cost-{each}", 2000)) for each in range(rounds)]
    return Costs(
        *(
            statistics.median(getattr(each, name) for each in seen)
            for name in Costs.__struct_fields__
        )
    )


def _of_single_reads(costs: Costs, paces: Mapping[str, Sequence[Pace]]) -> Costs:
    """Return the same for single reads, of which only those in memory take a shorter way."""
    local = statistics.median(each.microseconds for each in paces[_named(1)])
    return msgspec.structs.replace(costs, local=local)


async def _polls(seconds: float) -> AsyncIterator[Row]:
    """Let the same viewers poll fleets, and count what is asked of the vendor and of the store."""
    with counting_vendor() as vendor, store() as shared:
        vendor.behave(read=UPSTREAM)
        one = await _poll(vendor, 1, "none", seconds)
        yield _per_second(f"upstream reads, {ALONE}", one, POLLS.upstream_reads, ARITHMETIC)
        for count in COUNTS:
            before = _used(shared)
            read = await _poll(vendor, count, shared.url, seconds)
            made = (_used(shared).calls - before.calls) / seconds
            yield _per_second(f"upstream reads, {_named(count)}", read, one, ALONE)
            calls = POLLS.store_calls(count)
            yield _per_second(f"calls of the store, {_named(count)}", made, calls, ARITHMETIC)


async def _poll(vendor: Counting, count: int, url: str, seconds: float) -> float:
    """Return the upstream reads per second while viewers poll so many gateways."""
    with replicas(count, vendor, url, CACHE_TTL=f"{POLLS.ttl:g}", **_LAG) as fleet:
        crowd = Crowd(
            [each.port for each in fleet],
            POLLS.viewers // count,
            seconds,
            POLLS.rooms,
            pause=POLLS.poll,
        )
        load = await reads.load(vendor, crowd)
    assert not load.seen.bad, load.seen.bad
    assert not load.seen.false, load.seen.false
    return load.reads / seconds


def _used(shared: Store) -> Used:
    """Return what a store has done; scripts are all that gateways send it but for evictions."""
    scripts = shared.ask("INFO", "commandstats").get("cmdstat_evalsha", {"calls": 0})
    cpu = shared.ask("INFO", "cpu")
    return Used(int(scripts["calls"]), float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"]))


def _cost_of_a_call(before: Used, after: Used) -> float:
    """Return microseconds of the store's processor time."""
    return (after.seconds - before.seconds) / (after.calls - before.calls) * 1e6


def _needs(costs: Costs, call: float) -> list[Row]:
    """Return what a million viewers need, at the costs that were measured."""
    made = []
    for audience in MILLIONS:
        processes = audience.processes(costs, BUSY)
        calls = audience.store_calls(processes)
        made.append(
            told(
                f"a million viewers in {audience.rooms:,} rooms",
                f"{processes} processes",
                f"{audience.reads:,.0f} reads, {audience.upstream_reads:,.0f} of them upstream, "
                f"and {calls:,.0f} calls of the store a second: {calls * call / 1e6:.1f} of its "
                "cores",
            )
        )
    return made


def _ratio(row: str, ours: float, local: float) -> Row:
    return told(row, f"{ours / local:.2f}", f"{ours:.0f} / {local:.0f} µs", "found in memory")


def _per_second(row: str, ours: float, other: float, compared_with: str) -> Row:
    return told(row, f"{ours / other:.2f}", f"{ours:.0f} / {other:.0f} a second", compared_with)


def _named(count: int) -> str:
    return f"{count} process{'es' * (count > 1)} and a store"


async def measure(rounds: int, seconds: int) -> list[Row]:
    """Print the table row by row, and return the rows."""
    print(results.HEAD)
    kept = []
    async for row in rows(rounds, seconds):
        print(row, flush=True)
        kept.append(row)
    return kept


def main() -> None:
    """Print the table; write it to RESULTS.md on request."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scaling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds a fleet (default 5)")
    parser.add_argument("--seconds", type=int, default=5, help="seconds a round (default 5)")
    parser.add_argument("--record", action="store_true", help="write the table to RESULTS.md")
    given = parser.parse_args()
    measured = asyncio.run(measure(given.rounds, given.seconds))
    if given.record:
        results.record("scaling", measured)


if __name__ == "__main__":
    main()
