"""One user against all others, on real sockets: shares of the upstream and of the requests.

The upstream keeps what mallory asks for until it is let go, and answers everybody else at once.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from gateway.metrics import Metrics
from tests.live.fault_server import CREATED, Exchange, Server, enveloped, reply, rooms, serving
from tests.live.gateways import ALICE, IMPATIENT, Gateway, assert_told, gateway_at, token
from tests.live.viewers import viewer_at
from tests.telemetry.counts import nonzero
from tests.waiting import until

MALLORY = token("mallory")
CONNECTIONS = 20
SHARE = 2
HELD = "held"
FIRST = 3
NO_ROOM = reply(enveloped(code=500, message="record not found"), 500)


class Upstream:
    """A vendor that keeps requests with `held` in them waiting.

    A `missing` room is shown by no replica; all but the first reads of it wait too.
    """

    def __init__(self) -> None:
        self.now = self.most = self.missed = 0
        self.holding = True
        self.let_go = asyncio.Event()
        self.missing = ""

    async def __call__(self, exchange: Exchange) -> None:
        """Answer, perhaps later."""
        missing = exchange.method == "GET" and exchange.live_id == self.missing
        self.missed += missing
        slow = self.missed > FIRST if missing else HELD.encode() in exchange.raw
        if slow and self.holding:
            with self._counted():
                await self.let_go.wait()
        lags = missing and self.missing
        await (exchange.write(NO_ROOM) if lags else rooms(exchange))

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            yield
        finally:
            self.now -= 1


@asynccontextmanager
async def world(**settings: str) -> AsyncGenerator[tuple[Gateway, Upstream, Server]]:
    """Run a gateway with a share of two connections."""
    upstream = Upstream()
    settings = {"UPSTREAM_CONNECTIONS": str(CONNECTIONS), **settings}
    async with serving(upstream) as server, gateway_at(server.url, **settings) as gateway:
        try:
            yield gateway, upstream, server
        finally:
            upstream.holding = False
            upstream.let_go.set()


async def get_batch(gateway: Gateway, name: str) -> None:
    """Ask for fifty rooms as mallory."""
    path = "/v1/rooms?" + "&".join(f"id={name}-{number}" for number in range(50))
    async with viewer_at(gateway.port) as viewer:
        await viewer.get(path, MALLORY)


async def batches(gateway: Gateway, _: Upstream) -> None:
    """Ask for many batches of cold rooms."""
    await asyncio.gather(*(get_batch(gateway, f"{HELD}-{number}") for number in range(10)))


async def come_and_go(gateway: Gateway, upstream: Upstream) -> None:
    """Ask for one cold room after another, and leave at once."""
    for number in range(40):
        async with viewer_at(gateway.port) as viewer:
            viewer.ask(f"/v1/rooms/{HELD}-{number}", MALLORY)
            await asyncio.sleep(0.01)
    await upstream.let_go.wait()


async def stale_batches(gateway: Gateway, upstream: Upstream) -> None:
    """Ask for rooms that are stale, again and again."""
    upstream.holding = False
    await get_batch(gateway, HELD)
    upstream.holding = True
    for _ in range(5):
        await get_batch(gateway, HELD)
    await upstream.let_go.wait()


async def creates(gateway: Gateway, upstream: Upstream) -> None:
    """Create with one key after another, and leave at once."""

    async def create(number: int) -> None:
        headers = {"Authorization": f"Bearer {MALLORY}", "Idempotency-Key": f"k-{number}"}
        await gateway.client.post("/v1/rooms", json={"title": HELD}, headers=headers)

    tasks = [asyncio.create_task(create(number)) for number in range(30)]
    await until(lambda: upstream.now > 0)
    for task in tasks:
        task.cancel()
    await upstream.let_go.wait()


async def stops_and_deletes(gateway: Gateway, _: Upstream) -> None:
    """Stop and delete many rooms, also those of others."""
    headers = {"Authorization": f"Bearer {MALLORY}"}
    paths = [f"/v1/rooms/{HELD}-{number}" for number in range(15)]
    await asyncio.gather(
        *(gateway.client.post(f"{path}/stop", headers=headers) for path in paths),
        *(gateway.client.delete(path, headers=headers) for path in paths),
    )


async def lagging_polls(gateway: Gateway, upstream: Upstream) -> None:
    """Read a room of one's own, just created, a hundred times while no replica shows it."""
    upstream.missing = CREATED
    assert (await gateway.write("create")).status_code == 201
    lookups = [gateway.read(CREATED, ALICE) for _ in range(50)]
    assert {each.status_code for each in await asyncio.gather(*lookups)} == {200}


async def assert_all_are_served(gateway: Gateway, users: range) -> None:
    """Check cold reads by these users, and creates by alice, who has not done anything else."""
    for number in users:
        read = await gateway.read(f"cold-{number}", token(f"user-{number}"))
        assert (read.status_code, read.json().get("live_id")) == (200, f"cold-{number}")


@pytest.mark.parametrize(
    ("attack", "busy"),
    [
        (batches, SHARE),
        (come_and_go, SHARE),
        (stale_batches, SHARE),
        (creates, SHARE),
        (stops_and_deletes, SHARE),
        (lagging_polls, 1),
    ],
)
async def test_one_user_takes_no_more_than_a_share_of_the_upstream(
    attack: Callable[[Gateway, Upstream], Coroutine[Any, Any, None]], busy: int
) -> None:
    """A user has two calls of twenty at most, whatever they do, and the others' requests pass."""
    settings = {"CACHE_TTL": "0", "CACHE_STALE_WHILE_REVALIDATE": "60", "UPSTREAM_LAG": "60"}
    async with world(**settings) as (gateway, upstream, _):
        attacking = asyncio.create_task(attack(gateway, upstream))
        await until(lambda: upstream.now >= busy)
        await assert_all_are_served(gateway, range(10))
        if attack is not lagging_polls:
            assert (await gateway.write("create")).status_code == 201
            assert (await gateway.write("stop", "alices")).status_code == 204
        assert upstream.most <= SHARE
        upstream.holding, upstream.missing = False, ""
        upstream.let_go.set()
        await attacking


async def test_a_room_that_another_queues_for_is_read_at_once() -> None:
    """Rooms for which mallory waits in her own queue are read for others without her turn."""
    async with world() as (gateway, upstream, server):
        queued = asyncio.create_task(get_batch(gateway, HELD))
        await until(lambda: upstream.now == SHARE)
        upstream.holding = False
        for number in range(SHARE, 50, 6):
            answer = await gateway.read(f"{HELD}-{number}", token(f"user-{number}"))
            assert answer.status_code == 200
        joined = asyncio.create_task(gateway.read(f"{HELD}-0"))
        upstream.let_go.set()
        assert (await joined).status_code == 200
        await queued
        assert sorted(server.targets()) == sorted(set(server.targets()))


async def test_reads_leave_connections_for_writes() -> None:
    """While the reads of many users fill the upstream, creates, stops and deletes succeed."""
    async with world() as (gateway, upstream, _):
        reads = [
            asyncio.create_task(gateway.read(f"{HELD}-{number}", token(f"user-{number}")))
            for number in range(30)
        ]
        await until(lambda: upstream.now == CONNECTIONS - 2)
        written = [await gateway.write(each) for each in ("create", "stop", "delete")]
        assert [each.status_code for each in written] == [201, 204, 204]
        assert upstream.most == CONNECTIONS - 2
        upstream.let_go.set()
        assert {each.status_code for each in await asyncio.gather(*reads)} == {200}


async def test_waiting_for_a_place_has_an_end() -> None:
    """A user's third slow read is refused in time; the two that have begun time out later."""
    async with world(**IMPATIENT) as (gateway, upstream, _):
        reads = [asyncio.create_task(gateway.read(f"{HELD}-{number}")) for number in range(SHARE)]
        await until(lambda: upstream.now == SHARE)
        refused = await gateway.read(f"{HELD}-2")
        assert_told(refused, "overloaded")
        assert refused.headers["retry-after"] == "1"
        assert nonzero(gateway.block, Metrics.share_refusals) == {("upstream",): 1}
        for read in reads:
            assert_told(await read, "upstream_timeout")


async def test_one_user_has_a_tenth_of_the_requests_in_flight() -> None:
    """A fourth request of thirty is one too many for a user, but for rooms in memory."""
    settings = {"MAX_CONCURRENCY": "30", "UPSTREAM_CONNECTIONS": "30"}
    async with world(**settings) as (gateway, upstream, _):
        assert (await gateway.read("known", MALLORY)).status_code == 200
        reads = [
            asyncio.create_task(gateway.read(f"{HELD}-{number}", MALLORY)) for number in range(3)
        ]
        await until(lambda: upstream.now == 3)
        for _ in range(3):
            assert_told(await gateway.read("cold", MALLORY), "overloaded")
        batch = await gateway.client.get(
            "/v1/rooms?id=cold", headers={"Authorization": f"Bearer {MALLORY}"}
        )
        assert_told(batch, "overloaded")
        assert (await gateway.read("known", MALLORY)).status_code == 200
        assert (await gateway.read("cold")).status_code == 200
        assert nonzero(gateway.block, Metrics.share_refusals) == {("requests",): 4}
        upstream.let_go.set()
        assert {each.status_code for each in await asyncio.gather(*reads)} == {200}
        assert (await gateway.read("cold-2", MALLORY)).status_code == 200


async def test_reads_leave_places_for_writes() -> None:
    """While reads fill all places, a tenth more is for writes."""
    async with world(MAX_CONCURRENCY="10") as (gateway, upstream, _):
        reads = [
            asyncio.create_task(gateway.read(f"{HELD}-{number}", token(f"user-{number}")))
            for number in range(10)
        ]
        await until(lambda: upstream.now == 10)
        assert_told(await gateway.read("cold"), "overloaded")
        assert (await gateway.write("create")).status_code == 201
        upstream.let_go.set()
        assert {each.status_code for each in await asyncio.gather(*reads)} == {200}
