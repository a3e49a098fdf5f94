"""The cost of a hit: with a store and without, in memory and in the store."""

import asyncio
import os
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from tests.bench.audience import Costs
from tests.bench.client import Connection, request
from tests.live.many.reads import get
from tests.live.replicas import BOB, Replica

_ROOM = "room-hit"


class Pace(Struct, frozen=True):
    """Hits per second, and our processor time for each in microseconds."""

    per_second: float
    microseconds: float


async def local_hits(replica: Replica, seconds: int, cores: str = "1") -> Pace:
    """Have wrk read one room that is in memory; wrk runs on these cores, as taskset names them."""
    await get(replica.port, _ROOM)
    before = replica.seconds_used()
    process = await asyncio.create_subprocess_exec(
        *(
            "taskset",
            "-c",
            cores,
            "wrk",
            "-t1",
            "-c32",
            f"-d{seconds}s",
            "-H",
            f"Authorization: Bearer {BOB}",
        ),
        f"{replica.gateway.url}/v1/rooms/{_ROOM}",
        stdout=asyncio.subprocess.PIPE,
    )
    printed = (await process.communicate())[0].decode()
    used = replica.seconds_used() - before
    assert "Non-2xx" not in printed, printed
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    count = re.search(r"(\d+) requests in", printed)
    assert rate, printed
    assert count, printed
    return Pace(float(rate[1]), used / int(count[1]) * 1e6)


async def pairs(one: Replica, other: Replica, count: int, seconds: int) -> list[tuple[Pace, Pace]]:
    """Measure two gateways in turns, so that a drifting machine slows both."""
    measured = []
    for number in range(count):
        first, second = (one, other) if number % 2 else (other, one)
        paces = {each: await local_hits(each, seconds) for each in (first, second)}
        measured.append((paces[one], paces[other]))
    return measured


async def costs(replicas: Sequence[Replica], live_ids: Sequence[str]) -> Costs:
    """Return what reads of rooms that nobody has read yet cost, with 50 in flight.

    The first gateway reads them upstream and fills the store; the second finds them there, and
    then in its memory. Rooms are asked for as batches of one, which take the same way through the
    gateway in all cases; a single read of a room in memory takes a shorter one.
    """
    filler, finder = replicas
    missed = await _cost(filler, live_ids)
    shared = await _cost(finder, live_ids)
    local = statistics.median([await _cost(finder, live_ids) for _ in range(3)])
    return Costs(local, shared, missed)


async def _cost(replica: Replica, live_ids: Sequence[str]) -> float:
    before = replica.seconds_used()
    await _read_all(replica, live_ids)
    return (replica.seconds_used() - before) / len(live_ids) * 1e6


async def _read_all(replica: Replica, live_ids: Sequence[str]) -> None:
    left = iter(live_ids)

    async def read() -> None:
        connection = Connection(replica.port)
        for live_id in left:
            answer = await connection.ask(request("GET", f"/v1/rooms?id={live_id}", BOB))
            assert msgspec.json.decode(answer.body)["rooms"][0]["live_id"] == live_id
        connection.drop()

    await asyncio.gather(*(read() for _ in range(50)))


def pin(replica: Replica, core: int) -> None:
    """Keep a gateway's worker on one core."""
    (worker,) = replica.gateway.workers()
    for thread in Path(f"/proc/{worker}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})
