"""Clients that leave take nothing with them: no connection, no task, nobody else's read."""

import asyncio
import json
import random
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from types import CoroutineType

import pytest

from tests.live.fault_server import (
    Exchange,
    Server,
    enveloped,
    reply,
    room,
    rooms,
    serving,
    silence,
)
from tests.live.gateways import IMPATIENT, Gateway, gateway_at, token
from tests.live.viewers import viewer_at
from tests.waiting import until

POOL = 8
SETTINGS = {"UPSTREAM_CONNECTIONS": str(POOL)}
ENOUGH = 300
"""Calls upstream while clients come and go; `chaos` makes more."""

LONGEST_VISIT = 0.03
TESTS = str(Path(__file__).parents[1])


class Slow:
    """An upstream that takes a moment for each room, and counts how many it has at once."""

    def __init__(self) -> None:
        self.most = self._now = 0

    async def __call__(self, exchange: Exchange) -> None:
        """Answer after up to 50 ms."""
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await asyncio.sleep(random.uniform(0, 0.05))  # noqa: S311  # no secret
        finally:
            self._now -= 1
        await rooms(exchange)


class Together:
    """An upstream that answers when so many requests have come, and not before."""

    def __init__(self, count: int) -> None:
        self._missing = count
        self._complete = asyncio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        """Wait for the others, then answer."""
        self._missing -= 1
        if self._missing == 0:
            self._complete.set()
        await self._complete.wait()
        await rooms(exchange)


async def come_and_go(gateway: Gateway, name: str, server: Server) -> None:
    """Ask for one room after another as a user of this name, and leave at any moment of it."""
    number, bearer = 0, token(name)
    while len(server.received) < ENOUGH:
        async with viewer_at(gateway.port) as viewer:
            viewer.ask(f"/v1/rooms/{name}-{number}", bearer)
            if number % 5 == 0:
                query = "&".join(f"id={name}-{number}-{n}" for n in range(20))
                viewer.ask(f"/v1/rooms?{query}", bearer)
            await asyncio.sleep(random.uniform(0, LONGEST_VISIT))  # noqa: S311  # no secret
        number += 1


def tasks_of_the_gateway() -> Counter[str]:
    """Return the tasks that run in this loop by their names, without those of the tests."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    codes = [each.cr_code for each in coroutines if isinstance(each, CoroutineType)]
    return Counter(each.co_qualname for each in codes if not each.co_filename.startswith(TESTS))


async def assert_all_fine(gateway: Gateway) -> None:
    """Check that of a hundred rooms read at once, each comes as it should."""
    live_ids = [f"good-{number}" for number in range(100)]
    good = await asyncio.gather(*(gateway.read(live_id, token(live_id)) for live_id in live_ids))
    assert [each.json().get("live_id", each.text) for each in good] == live_ids


@pytest.mark.slow
async def test_clients_that_come_and_go() -> None:
    """Clients that leave, twice as many as connections, leave every connection free and no task."""
    slow = Slow()
    async with (
        serving(slow) as server,
        gateway_at(server.url, **SETTINGS) as gateway,
    ):
        assert (await gateway.read("first")).status_code == 200
        before = tasks_of_the_gateway()
        await asyncio.gather(
            *(come_and_go(gateway, f"c{number}", server) for number in range(2 * POOL))
        )
        assert 1 < slow.most <= POOL

        await assert_all_fine(gateway)

        server.script = Together(POOL)  # reads leave one connection for writes
        reads = (gateway.read(f"all-{each}", token(f"user-{each}")) for each in range(POOL - 1))
        answers = await asyncio.gather(*reads, gateway.write("create"))
        assert [each.status_code for each in answers] == [200] * (POOL - 1) + [201]
        await until(lambda: tasks_of_the_gateway() == before)


@pytest.mark.parametrize("leaving", ["the first", "all but one", "all"])
async def test_readers_of_one_room(leaving: str) -> None:
    """Readers of one room share one call, and whoever leaves, the others get the room."""
    everyone = asyncio.Event()

    async def waiting(exchange: Exchange) -> None:
        await everyone.wait()
        await rooms(exchange)

    async with serving(waiting) as server, gateway_at(server.url) as gateway:
        readers = [asyncio.create_task(read_once(gateway, "cold"))]
        await until(lambda: len(server.received) == 1)
        readers += [asyncio.create_task(read_once(gateway, "cold")) for _ in range(9)]
        await asyncio.sleep(0.05)  # until they have joined
        gone = {"the first": readers[:1], "all but one": readers[:9], "all": readers}[leaving]
        for each in gone:
            each.cancel()
        await asyncio.sleep(0.05)  # until the gateway could have noticed
        everyone.set()
        left = await asyncio.gather(*readers[len(gone) :])
        assert left == [(200, "cold")] * (10 - len(gone))
        assert await read_once(gateway, "cold") == (200, "cold")
        assert len(server.received) == 1


async def read_once(gateway: Gateway, live_id: str) -> tuple[int, str]:
    """Read a room on a connection of its own; return the status and the room's id or problem."""
    async with viewer_at(gateway.port) as viewer:
        answer = await viewer.get(f"/v1/rooms/{live_id}")
        told = json.loads(answer.body)
        return answer.status, told.get("live_id") or told["code"]


async def test_the_first_reader_of_a_failing_room() -> None:
    """The readers of a failing room share one error, even if the first of them leaves."""
    everyone = asyncio.Event()

    async def failing(exchange: Exchange) -> None:
        await everyone.wait()
        await exchange.write(reply(b"no", 400))

    async with serving(failing) as server, gateway_at(server.url) as gateway:
        first = asyncio.create_task(read_once(gateway, "late"))
        await until(lambda: len(server.received) == 1)
        others = [asyncio.create_task(read_once(gateway, "late")) for _ in range(9)]
        await asyncio.sleep(0.3)  # until they have joined
        first.cancel()
        everyone.set()
        assert await asyncio.gather(*others) == [(502, "upstream_error")] * 9
        assert len(server.received) == 1
        server.script = rooms
        assert await read_once(gateway, "late") == (200, "late")


@pytest.mark.parametrize("operation", ["create", "stop", "delete"])
async def test_a_writer_that_goes_away(operation: str) -> None:
    """A write whose client leaves is sent once, carried out, and invalidates the cached room."""
    go_on = asyncio.Event()

    async def waiting(exchange: Exchange) -> None:
        if exchange.method != "GET":
            await go_on.wait()
            ended = room(exchange.live_id) | {"live_status": 2}
            await exchange.write(reply(enveloped(ended)))
        else:
            await rooms(exchange)

    def sent() -> int:
        return sum(each.method != "GET" for each in server.received)

    async with serving(waiting) as server, gateway_at(server.url) as gateway:
        before = tasks_of_the_gateway()
        await gateway.read("1")
        writer = asyncio.create_task(gateway.write(operation, "1"))
        await until(lambda: sent() == 1)
        writer.cancel()
        go_on.set()
        await until(lambda: tasks_of_the_gateway() == before)
        assert sent() == 1
        seen = await gateway.read("1")
        kept = operation == "create"
        gone = operation == "delete"
        assert seen.status_code == (404 if gone else 200)
        assert gone or seen.headers["cache-status"] == f"gateway; {'hit' if kept else 'fwd=miss'}"


async def test_a_shutdown_with_reads_under_way() -> None:
    """A gateway that shuts down waits for its reads, and leaves no task behind."""
    before = tasks_of_the_gateway()
    async with serving(silence) as server:
        async with gateway_at(server.url, **IMPATIENT) as gateway, AsyncExitStack() as viewers:
            for number in range(5):
                viewer = await viewers.enter_async_context(viewer_at(gateway.port))
                viewer.ask(f"/v1/rooms/late-{number}")
            await until(lambda: len(server.received) == 5)
        assert tasks_of_the_gateway() == before
