"""Gateways that share a store keep their promises together: real processes, sockets and engine."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import msgspec
import pytest
import trustme

from tests.bench.client import Connection, request
from tests.commands import free_port
from tests.leaks.canaries import TOKENS, token
from tests.live.counting_vendor import Counting, counting_vendor
from tests.live.crowd import create, named
from tests.live.many import creates, limits, outages, reads, secrets
from tests.live.replicas import ALICE, BOB, Replica, replicas
from tests.live.stores import Store, cluster, needs_redis, store, url_of_cluster, watched
from tests.waiting import LIMIT, until

MANY = 4
HOUR = 3600.0
"""A lifetime of rooms that no test lives to see."""


class World:
    """Gateways behind one store, in front of one vendor."""

    def __init__(self, vendor: Counting, shared: Store, running: list[Replica]) -> None:
        self.vendor = vendor
        self.store = shared
        self.replicas = running

    @property
    def ports(self) -> list[int]:
        """Where they listen."""
        return [each.port for each in self.replicas]

    async def read_together(self, live_id: str, times: int = 5) -> None:
        """Have all read a room that the vendor holds back; check that it is read only once."""
        await read_together(self.vendor, self.replicas, live_id, times)


async def read_together(
    vendor: Counting, running: list[Replica], live_id: str, times: int = 5
) -> None:
    """Have all gateways read a room that the vendor holds back; check that it is read only once."""
    vendor.behave(live_id)
    asked = [
        asyncio.create_task(reads.get(each.port, live_id)) for each in running for _ in range(times)
    ]
    await vendor.asked(live_id)
    await asyncio.sleep(0.3)  # time for others to ask, if they would
    vendor.behave()
    for answer in await asyncio.gather(*asked):
        assert answer.status == 200
        assert msgspec.json.decode(answer.body)["title"] == f"title of {live_id}"
    assert vendor.counts().came[live_id] == 1


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Four gateways with fresh rooms for an hour."""
    with (
        counting_vendor() as vendor,
        store() as shared,
        replicas(MANY, vendor, shared.url, CACHE_TTL=f"{HOUR:g}", UPSTREAM_TIMEOUT="30") as running,
    ):
        yield World(vendor, shared, running)


@pytest.fixture(autouse=True)
def _well_behaved(request: pytest.FixtureRequest) -> None:
    """The vendor is itself again, whatever the last test had it do."""
    if "world" in request.fixturenames:
        request.getfixturevalue("world").vendor.behave()


async def test_a_room_is_read_once_for_all(world: World) -> None:
    """Four gateways whose clients ask at once read a room once."""
    await world.read_together("room-together")


async def test_a_room_that_one_has_read_is_a_hit_for_all(world: World) -> None:
    """A room that one gateway has read is not read again for another, and answered alike."""
    found = [await reads.get(port, "room-shared") for port in world.ports for _ in range(2)]
    of_the_room = [
        {name: each.headers[name] for name in ("content-type", "content-length", "etag", "vary")}
        for each in found
    ]
    assert {each.status for each in found} == {200}
    assert of_the_room == [of_the_room[0]] * len(found)
    assert world.vendor.counts().came["room-shared"] == 1


async def test_an_unknown_room_is_looked_for_once(world: World) -> None:
    """A room that is not there is asked for once, and all say so."""
    world.vendor.behave("nowhere")
    asked = [asyncio.create_task(reads.get(port, "nowhere")) for port in world.ports]
    await world.vendor.asked("nowhere")
    await asyncio.sleep(0.3)  # time for others to ask, if they would
    world.vendor.behave()
    assert {each.status for each in await asyncio.gather(*asked)} == {404}
    assert world.vendor.counts().came["nowhere"] == 1


@pytest.mark.parametrize("operation", ["stop", "delete"])
async def test_a_write_is_seen_by_all(world: World, operation: str) -> None:
    """A stop or delete on one gateway ends the room's time in the memory of all others."""
    live_ids = reads.fresh(f"seen-{operation}", 4)
    assert max(await reads.eviction_delays(world.replicas, operation, live_ids)) < LIMIT


async def test_a_reader_that_dies_holds_nobody_up(world: World) -> None:
    """Clients of other gateways get a room soon after the one that read it for all was killed.

    The vendor would have let the dead one wait for thirty seconds.
    """
    live_ids = reads.fresh("dead", 5)
    try:
        waits = await reads.waits_after_a_kill(world.replicas, world.vendor, live_ids)
    finally:
        world.replicas[0].restart()
    assert max(waits) < 5


async def test_a_reader_that_wakes_up_puts_nothing_old_back(world: World) -> None:
    """A gateway that was stopped while it read a room does not bring back what was deleted."""
    sleeper, other, *_ = world.replicas
    world.vendor.behave("room-old")
    asked = asyncio.create_task(reads.get(sleeper.port, "room-old"))
    await world.vendor.asked("room-old")
    sleeper.pause()
    try:
        world.vendor.behave()
        assert (await reads.get(other.port, "room-old")).status == 200
        assert (await reads.write(other.port, "DELETE", "/v1/rooms/room-old")).status == 204
    finally:
        sleeper.resume()
    await asked
    for port in world.ports:
        await until(partial(_is_gone, port, "room-old"))
    await asyncio.sleep(0.1)
    assert {(await reads.get(port, "room-old")).status for port in world.ports} == {404}


async def _is_gone(port: int, live_id: str) -> bool:
    return (await reads.get(port, live_id)).status == 404


async def test_a_key_makes_one_room(world: World) -> None:
    """Creates with one key at four gateways at once make one room, and all are told of it."""
    told = await creates.race(world.ports, [f"key-{each}" for each in range(20)], creates.nothing)
    assert not creates.falsehoods(told, world.vendor)
    assert all(len(each.rooms) >= MANY for each in told)


async def test_a_claimer_that_dies_leaves_no_second_room() -> None:
    """A key whose create died with its gateway makes no second room, and nobody is told of none.

    Each client hears that the outcome is unknown as soon as the claim has ended.
    """
    titles = [f"killed-{each}" for each in range(10)]
    with (
        counting_vendor() as vendor,
        store() as shared,
        replicas(2, vendor, shared.url, UPSTREAM_TIMEOUT="0.5") as (first, other),
    ):
        vendor.behave(create=0.4)
        claimed = asyncio.create_task(creates.race([first.port], titles, creates.nothing))
        await until(lambda: vendor.counts().creates == len(titles))
        first.kill()
        told = await creates.race([other.port], titles, creates.nothing)
        assert all(each.answers["lost"] for each in await claimed)
        assert not creates.falsehoods(told, vendor)
        assert vendor.counts().creates == len(titles)
    assert all(set(each.answers) <= {_IN_PROGRESS, _UNKNOWN} for each in told)
    assert all(each.answers[_IN_PROGRESS] and each.answers[_UNKNOWN] for each in told)


_IN_PROGRESS, _UNKNOWN = "409 idempotency_in_progress", "504 outcome_unknown"


async def test_a_key_is_told_from_another_body_everywhere(world: World) -> None:
    """A key that one gateway has used is refused by another for a different body."""
    one, other, *_ = world.ports
    bearer = token("reuser")
    headers = {"Idempotency-Key": "once"}
    told = []
    for port, title in ((one, "first"), (other, "second"), (other, "first")):
        body = msgspec.json.encode({"title": title})
        connection = Connection(port)
        answer = await connection.ask(request("POST", "/v1/rooms", bearer, headers, body))
        connection.drop()
        told.append((named(answer), answer.headers.get("idempotency-replayed")))
    assert told == [("201", None), ("422 idempotency_key_reused", None), ("201", "true")]


@pytest.mark.parametrize(("asked", "burst", "most"), [("read", 1200, 1.5), ("stop", 60, 1.0)])
async def test_a_limit_is_one_for_all(asked: str, burst: int, most: float) -> None:
    """One user has one limit at all gateways: exactly so for writes, soon for reads."""
    settings = {"RATE_LIMIT_READS": "1200/minute", "RATE_LIMIT_WRITES": "60/minute"}
    with (
        counting_vendor() as vendor,
        store() as shared,
        replicas(MANY, vendor, shared.url, CACHE_TTL=f"{HOUR:g}", **settings) as running,
    ):
        done = await limits.insist([each.port for each in running], 6, asked)
    assert done.sent > MANY * burst, "too slow to exceed four limits"
    assert done.times(burst, burst / 60) <= most


async def test_failed_sign_ins_have_one_limit(world: World) -> None:
    """Bad tokens from one address are counted by all gateways together."""
    with replicas(
        2, world.vendor, world.store.url, RATE_LIMIT_FAILED_AUTH="10/hour", REDIS_PREFIX="other"
    ) as running:
        told = [
            (await reads.get(each.port, "room-1", TOKENS["forged"])).status
            for _ in range(10)
            for each in running
        ]
    assert told == [401] * 10 + [429] * 10


async def test_a_write_is_known_everywhere() -> None:
    """What one gateway has just written is true for another, although the vendor's reads lag."""
    with (
        counting_vendor() as vendor,
        store() as shared,
        replicas(2, vendor, shared.url, UPSTREAM_LAG="300", CACHE_TTL="0.1") as (one, other),
    ):
        vendor.behave(lag=HOUR)
        connection = Connection(one.port)
        made = await connection.ask(create("lagging", ALICE))
        connection.drop()
        assert (await reads.write(one.port, "POST", "/v1/rooms/room-ended/stop")).status == 204
        assert (await reads.write(one.port, "DELETE", "/v1/rooms/room-gone")).status == 204
        live_id = msgspec.json.decode(made.body)["live_id"]
        assert (await reads.get(other.port, live_id)).status == 200
        await until(lambda: _has_ended(other.port, "room-ended"))
        await until(lambda: _is_gone(other.port, "room-gone"))


async def _has_ended(port: int, live_id: str) -> bool:
    return reads.has_ended(await reads.get(port, live_id))


async def test_nothing_secret_is_in_the_store(world: World) -> None:
    """The store neither holds nor is ever sent a push URL, a token, a key or a secret."""
    async with secrets.overheard(world.store) as heard:
        await secrets.everything_once(world.replicas)
    held = secrets.contents(world.store)
    assert b"title of room-told-0" in held
    assert b"title of room-told-0" in heard
    assert not secrets.secrets_in(held)
    assert not secrets.secrets_in(bytes(heard))


async def test_two_services_may_use_one_store(world: World) -> None:
    """Gateways with another prefix share nothing with these."""
    assert (await reads.get(world.ports[0], "room-prefix")).status == 200
    with replicas(1, world.vendor, world.store.url, REDIS_PREFIX="another") as (alone,):
        assert (await reads.get(alone.port, "room-prefix")).status == 200
    assert world.vendor.counts().came["room-prefix"] == 2
    names = {key.split(b":")[0] for key, _, _ in world.store}
    assert {b"gateway", b"another"} <= {name.strip(b"{}") for name in names}


async def test_workers_share_as_replicas_do(world: World) -> None:
    """The workers of one gateway read a room once, and all see it deleted."""
    with replicas(1, world.vendor, world.store.url, WORKERS="2", CACHE_TTL=f"{HOUR:g}") as (both,):
        await until(lambda: both.gateway.listeners() == 2)
        await read_together(world.vendor, [both], "room-workers", times=20)
        assert (await reads.write(both.port, "DELETE", "/v1/rooms/room-workers")).status == 204
        await until(lambda: _is_gone(both.port, "room-workers"))
        await asyncio.sleep(0.1)
        answers = await asyncio.gather(*(reads.get(both.port, "room-workers") for _ in range(20)))
        assert {each.status for each in answers} == {404}


async def test_a_refusal_reaches_all() -> None:
    """A user whom an operator refuses at one gateway is refused by another, and by a later one."""
    with counting_vendor() as vendor, store() as shared, ExitStack() as stack:
        admins, running = [], []
        for _ in range(3):
            admins.append(free_port())
            settings = {"METRICS_PORT": str(admins[-1]), "ADMIN_TOKEN": _OPERATOR}
            (each,) = stack.enter_context(replicas(1, vendor, shared.url, **settings))
            running.append(each)
            if len(running) == 2:
                connection = Connection(admins[0])
                body = msgspec.json.encode({"until": "2999-01-01T00:00:00Z"})
                asked = request("PUT", "/admin/refusals/bob", _OPERATOR, body=body)
                assert (await connection.ask(asked)).status == 204
                connection.drop()
        for each in running:
            await until(partial(_is_refused, each.port))
            assert (await reads.get(each.port, "room-1", ALICE)).status == 200


_OPERATOR = "the-token-of-an-operator-longer-than-32-characters"


async def _is_refused(port: int) -> bool:
    return named(await reads.get(port, "room-1", BOB)) == "401 token_invalid"


@needs_redis
async def test_a_store_behind_tls(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways share a store behind TLS; one that does not trust its certificate goes without."""
    authority = trustme.CA()
    with counting_vendor() as vendor, store(tls=authority) as shared:
        with replicas(1, vendor, shared.url) as (stranger,):
            await outages.until_told([stranger], "degraded")
            assert (await reads.get(stranger.port, "room-untrusted")).status == 200
        file = f"{tmp_path}/ca.pem"
        authority.cert_pem.write_to_path(file)
        monkeypatch.setenv("SSL_CERT_FILE", file)
        with replicas(2, vendor, shared.url) as running:
            await outages.until_told(running, "ok")
            await read_together(vendor, running, "room-tls")


async def test_a_store_on_a_unix_socket() -> None:
    """Gateways of one machine share a store by a Unix socket."""
    with (
        counting_vendor() as vendor,
        store(unix=True) as shared,
        replicas(2, vendor, shared.url) as running,
    ):
        await read_together(vendor, running, "room-unix")


async def test_a_cluster() -> None:
    """Gateways share a cluster of two: rooms on either node, evictions, keys of creates."""
    with (
        counting_vendor() as vendor,
        cluster(2) as nodes,
        replicas(2, vendor, url_of_cluster(nodes), CACHE_TTL=f"{HOUR:g}") as running,
    ):
        live_ids = reads.fresh("cluster", 8)
        await reads.eviction_delays(running, "delete", live_ids)
        for live_id in reads.fresh("clustered", 8):
            await read_together(vendor, running, live_id, 1)
        told = await creates.race([each.port for each in running], ["a", "b", "c"], creates.nothing)
        assert not creates.falsehoods(told, vendor)
        assert all(list(node) for node in nodes), "one node has nothing"


async def test_a_failover() -> None:
    """Gateways follow a sentinel to the new master, and then share again."""
    with (
        counting_vendor() as vendor,
        watched() as (sentinel, master, replica),
        replicas(2, vendor, sentinel.url) as running,
    ):
        await read_together(vendor, running, "room-before")
        master.kill()
        assert (await reads.get(running[0].port, "room-amid")).status == 200
        await until(lambda: sentinel.master() == replica.port)
        await outages.until_told(running, "ok")
        await read_together(vendor, running, "room-after")
