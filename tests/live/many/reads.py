"""Rooms read through several gateways: load on the vendor, evictions, and a reader that dies."""

import asyncio
import time
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from tests.bench.client import Answer, Connection, NoAnswer, request
from tests.leaks.canaries import token
from tests.live.counting_vendor import STANDING, Counting
from tests.live.crowd import Crowd, Seen, send
from tests.live.replicas import ALICE, BOB, Replica
from tests.waiting import LIMIT

_LOOKS = 0.001
"""Seconds between two looks of one who waits for an eviction."""


class Load(Struct, frozen=True):
    """What a crowd saw, and how often the vendor was read meanwhile."""

    seen: Seen
    reads: int


async def load(vendor: Counting, crowd: Crowd, processes: int = 1) -> Load:
    """Send a crowd, and count what the vendor was read for it."""
    before = vendor.counts().reads
    seen = await send(crowd, processes)
    return Load(seen, vendor.counts().reads - before)


async def get(port: int, live_id: str, bearer: str = BOB) -> Answer:
    """Read a room on a new connection."""
    connection = Connection(port)
    try:
        return await connection.ask(request("GET", f"/v1/rooms/{live_id}", bearer))
    finally:
        connection.drop()


async def write(port: int, method: str, path: str, bearer: str = ALICE) -> Answer:
    """Send a write without a body on a new connection."""
    connection = Connection(port)
    try:
        return await connection.ask(request(method, path, bearer))
    finally:
        connection.drop()


async def eviction_delays(
    replicas: Sequence[Replica], operation: str, live_ids: Sequence[str]
) -> list[float]:
    """Stop or delete rooms on one gateway, turn about; return when each other one shows it.

    In seconds after the answer to the write. All have the room in memory before.
    """
    delays = []
    for number, live_id in enumerate(live_ids):
        writer = replicas[number % len(replicas)]
        others = [each for each in replicas if each is not writer]
        for each in replicas:
            assert (await get(each.port, live_id)).status == 200
        looking = [
            asyncio.create_task(moment(each.port, live_id, _SHOWS[operation])) for each in others
        ]
        method, suffix = ("POST", "/stop") if operation == "stop" else ("DELETE", "")
        answer = await write(writer.port, method, f"/v1/rooms/{live_id}{suffix}")
        assert answer.status == 204, answer
        answered = time.monotonic()
        delays += [max(0.0, each - answered) for each in await asyncio.gather(*looking)]
    return delays


async def moment(port: int, live_id: str, shows: Callable[[Answer], bool]) -> float:
    """Return the moment after which a gateway's answers show something for good."""
    connection = Connection(port)
    asked = request("GET", f"/v1/rooms/{live_id}", BOB)
    since: float | None = None
    confirmed = 0
    async with asyncio.timeout(LIMIT):
        while confirmed < 20:
            answer = await connection.ask(asked)
            if not shows(answer):
                since, confirmed = None, 0
            else:
                since = since or time.monotonic()
                confirmed += 1
            await asyncio.sleep(_LOOKS)
    connection.drop()
    assert since is not None
    return since


def is_gone(answer: Answer) -> bool:
    """Return True if the room is not there."""
    return answer.status == 404


def has_ended(answer: Answer) -> bool:
    """Return True if the room is shown as ended."""
    return bool(msgspec.json.decode(answer.body)["live_status"] == 2)


_SHOWS = {"stop": has_ended, "delete": is_gone}


async def waits_after_a_kill(
    replicas: Sequence[Replica], vendor: Counting, live_ids: Sequence[str]
) -> list[float]:
    """Kill the first gateway while it reads rooms that all others wait for.

    Return how long after that each of the others' clients got the room, in seconds. The vendor
    answers at once from then on. The first gateway does not run afterwards.
    """
    reader, *others = replicas
    vendor.behave(*live_ids)
    dead = [asyncio.create_task(_lost(reader.port, each)) for each in live_ids]
    for live_id in live_ids:
        await vendor.asked(live_id)
    waiting = [
        asyncio.create_task(_moment_read(each.port, live_id))
        for each in others
        for live_id in live_ids
    ]
    await asyncio.sleep(0.1)  # they wait for the reader now
    assert vendor.counts().reads == sum(vendor.counts().answered.values()) + len(live_ids)
    killed = time.monotonic()
    reader.kill()
    vendor.behave()
    read = await asyncio.gather(*waiting)
    await asyncio.gather(*dead)
    return [each - killed for each in read]


async def _lost(port: int, live_id: str) -> None:
    """Read a room as a user of one's own: users have shares of the connections upstream."""
    try:
        await get(port, live_id, token(live_id))
    except NoAnswer:
        return
    raise AssertionError("the killed gateway answered")


async def _moment_read(port: int, live_id: str) -> float:
    answer = await get(port, live_id)
    assert (answer.status, msgspec.json.decode(answer.body)["live_id"]) == (200, live_id), answer
    return time.monotonic()


def fresh(name: str, count: int) -> list[str]:
    """Return the ids of standing rooms that nobody has read."""
    return [f"{STANDING}{name}-{number}" for number in range(count)]
