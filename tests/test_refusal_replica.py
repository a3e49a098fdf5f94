"""An operator's refusals in gateways that share a store, a real one."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import refusal_replica
from gateway.metrics import Metrics
from gateway.orders import OrderBook, OrderFollower, shared_orders
from gateway.redis_url import RedisUrl
from gateway.refusal_replica import RefusalReplica
from gateway.rooms import InvalidRequest, RefusalKind, Refusals
from gateway.shared_store import SharedStore, connect
from gateway.side_thread import beside
from gateway.telemetry import build_logger
from tests.commands import free_port
from tests.fakes.clock import Clock
from tests.fakes.clocked_store import ClockedStore
from tests.store_server import StoreServer, running_store
from tests.waiting import eventually

NOW = 1_800_000_000.0
DAY = 86_400.0
LOG = build_logger("critical", "json", BytesIO())
NOBODY = Refusals({}, {})


class World:
    """Gateways that share the store at `url`, whose clock is `skew` before theirs."""

    def __init__(self, url: RedisUrl) -> None:
        self.prefix = secrets.token_hex(8)
        self.clock = Clock(NOW)
        self.skew = 0.0
        self.url = url
        self.stores: list[SharedStore] = []
        self.raw = connect(url).client
        self.a, self.b = self.replica(), self.replica()

    @property
    def key(self) -> str:
        """The key of the hash."""
        return f"{self.prefix}:refusals"

    def replica(self) -> RefusalReplica:
        """Return one more, which knows nothing yet."""
        store = ClockedStore(connect(self.url), self.prefix, lambda: self.clock() + self.skew)
        self.stores.append(store)
        book = OrderBook(shared_orders(), self.clock)
        return RefusalReplica(book, store, clock=self.clock, timer=self.clock, log=LOG)

    async def look(self, *replicas: RefusalReplica) -> None:
        """Let these look, in this order, a second after the last."""
        self.clock.now += 1
        for each in replicas:
            await each.look()

    async def words(self) -> dict[str, bytes]:
        """Return the fields of the hash but the version."""
        found = await self.raw.hgetall(self.key)
        return {key.decode(): value for key, value in found.items() if key != b"version"}


@asynccontextmanager
async def sharing(url: RedisUrl) -> AsyncIterator[World]:
    """Run two gateways that share this store; close their connections at the end."""
    world = World(url)
    try:
        yield world
    finally:
        for store in world.stores:
            await store.aclose()
        await world.raw.aclose()


@pytest.fixture
async def world(store_server: StoreServer) -> AsyncIterator[World]:
    """Two gateways that share a store."""
    async with sharing(store_server.url) as world:
        yield world


@pytest.mark.parametrize("kind", ["users", "tokens"])
async def test_an_order_to_one_holds_in_the_other(world: World, kind: RefusalKind) -> None:
    """A refusal given to one is seen by the other, and so is its end; and the other way round."""
    for giver, other in ((world.a, world.b), (world.b, world.a)):
        giver.refuse(kind, "bob:1", NOW + 60.25)
        before = other.in_force()
        await world.look(giver, other)
        assert giver.in_force() == other.in_force() != before == NOBODY
        assert getattr(other.in_force(), kind) == {"bob:1": NOW + 60.25}
        other.allow(kind, "bob:1")
        assert other.in_force() == NOBODY
        await world.look(other, giver)
        assert giver.in_force() == NOBODY


async def test_the_workers_of_the_other_follow(world: World) -> None:
    """Its workers are told, once for each change."""
    text, told = shared_orders(), list[Refusals]()

    async def no_room(*_: str) -> None:
        raise AssertionError

    book = OrderBook(text, world.clock)
    store = ClockedStore(connect(world.url), world.prefix, world.clock)
    world.stores.append(store)
    other = RefusalReplica(book, store, clock=world.clock, timer=world.clock, log=LOG)
    follower = OrderFollower(text, told.append, no_room, no_room)
    world.a.refuse("users", "bob", NOW + 60)
    for _ in range(3):
        await world.look(world.a, other)
        await follower.look()
    assert told == [Refusals({"bob": NOW + 60}, {})]


async def test_what_is_known_outlives_a_restart(world: World) -> None:
    """A gateway that starts knows all after its first look."""
    world.a.refuse("users", "bob", NOW + 60)
    world.a.refuse("tokens", "1", NOW + 30)
    await world.look(world.a)
    later = world.replica()
    await world.look(later)
    assert later.in_force() == world.a.in_force() != NOBODY


async def test_a_store_that_lost_its_data_gets_it_again(world: World) -> None:
    """Each gateway puts back what it knows, lifted refusals too; the others keep it meanwhile."""
    world.a.refuse("users", "bob", NOW + 60)
    world.a.refuse("users", "carol", NOW + 60)
    await world.look(world.a, world.b)
    world.b.allow("users", "carol")
    await world.look(world.b, world.a)
    before = await world.words()
    await world.raw.delete(world.key)
    await world.look(world.a)
    assert await world.words() == before
    later = world.replica()
    await world.look(world.b, later)
    for each in (world.a, world.b, later):
        assert each.in_force() == Refusals({"bob": NOW + 60}, {})


async def test_a_store_that_loses_its_data_at_once_gets_it_again(world: World) -> None:
    """It may be empty at each look, and have had data in between."""
    await world.look(world.a)
    for _ in range(2):
        world.a.refuse("users", "bob", NOW + 60)
        await world.look(world.a)
        await world.raw.delete(world.key)
        await world.look(world.a)
        assert set(await world.words()) == {"users:bob"}
        await world.raw.delete(world.key)


async def test_a_store_that_lost_the_last_words_gets_them_again(world: World) -> None:
    """After a failover to older data, later words hold: refusals and their ends."""
    world.a.refuse("users", "bob", NOW + 60)
    await world.look(world.a, world.b)
    old = await world.raw.hgetall(world.key)
    world.a.allow("users", "bob")
    world.a.refuse("users", "carol", NOW + 60)
    await world.look(world.a, world.b)
    await world.raw.delete(world.key)
    await world.raw.hset(world.key, mapping=old)
    await world.look(world.b, world.a)
    later = world.replica()
    await world.look(later)
    for each in (world.a, world.b, later):
        assert each.in_force() == Refusals({"carol": NOW + 60}, {})


@pytest.mark.parametrize("known", [True, False])
async def test_a_gateway_that_was_away_brings_nothing_back(world: World, *, known: bool) -> None:
    """A refusal lifted meanwhile stays so until its time, whoever lifts it."""
    world.a.refuse("users", "bob", NOW + DAY / 2)
    await world.look(world.a)
    if not known:
        await world.raw.delete(world.key)
    else:
        await world.look(world.b)
    world.b.allow("users", "bob")
    world.clock.now += DAY / 2 - 9
    await world.look(world.b, world.b, world.a, world.b)
    assert world.a.in_force() == world.b.in_force() == NOBODY


@pytest.mark.parametrize("known", [True, False])
async def test_a_shortened_refusal_stays_short(world: World, *, known: bool) -> None:
    """A gateway that knows only of the longer time does not bring it back after the shorter one.

    It makes no difference whether the one that shortened it knew of the longer time.
    """
    world.a.refuse("users", "bob", NOW + 1000)
    await world.look(world.a)
    if known:
        await world.look(world.b)
    world.b.refuse("users", "bob", NOW + 100)
    world.clock.now += 500
    await world.look(world.b, world.b, world.a, world.b)
    assert world.a.in_force() == world.b.in_force() == NOBODY


async def test_an_order_holds_though_the_clock_of_the_store_goes_back(world: World) -> None:
    """An order that was given after one is known holds, whatever time the store has."""
    world.a.refuse("users", "bob", NOW + 600)
    await world.look(world.a, world.b)
    world.skew = -3600
    world.b.allow("users", "bob")
    await world.look(world.b, world.a)
    assert world.a.in_force() == world.b.in_force() == NOBODY


async def test_the_later_order_holds_though_it_arrives_first(world: World) -> None:
    """An order that was given before another one does not undo it, however late it is sent."""
    await world.look(world.a, world.b)
    world.a.refuse("users", "bob", NOW + 600)
    world.clock.now += 1
    world.b.allow("users", "bob")
    world.clock.now += 60
    await world.look(world.b, world.a, world.b)
    assert world.a.in_force() == world.b.in_force() == NOBODY


async def test_words_are_removed_when_their_time_is_over(world: World) -> None:
    """Past refusals, and the marks of lifted ones, are gone a minute after their time."""
    world.a.refuse("users", "bob", NOW + 10)
    world.a.refuse("users", "carol", NOW + 20)
    world.a.refuse("users", "dave", NOW + 9000)
    await world.look(world.a)
    world.a.allow("users", "carol")
    await world.look(world.a, world.a)
    assert set(await world.words()) == {"users:bob", "users:carol", "users:dave"}
    world.clock.now += 75
    world.b.refuse("users", "erin", NOW + 9000)
    await world.look(world.b, world.b)
    assert set(await world.words()) == {"users:carol", "users:dave", "users:erin"}
    world.clock.now += 9
    world.b.refuse("tokens", "1", NOW + 9000)
    await world.look(world.b, world.a, world.b)
    assert set(await world.words()) == {"users:dave", "users:erin", "tokens:1"}


async def test_the_hash_lives_as_long_as_its_longest_word(world: World) -> None:
    """It expires with the last refusal, not with the one that was written last."""
    world.a.refuse("users", "bob", NOW + 1000)
    await world.look(world.a)
    world.a.refuse("users", "carol", NOW + 10)
    await world.look(world.a)
    assert 990_000 < await world.raw.pttl(world.key) <= 1_000_000


async def test_orders_are_kept_while_the_store_is_down() -> None:
    """They hold here at once, and reach the store before anything is read from it."""
    port = free_port()
    async with sharing(RedisUrl(nodes=(("127.0.0.1", port),))) as world:
        with running_store(port=port):
            world.b.refuse("users", "carol", NOW + 60)
            await world.look(world.b, world.a)
        world.a.allow("users", "carol")
        world.a.refuse("users", "bob", NOW + 60)
        world.a.refuse("tokens", "1", NOW + 60)
        world.a.allow("tokens", "1")
        await world.look(world.a, world.b)
        mine, theirs = world.a.in_force(), world.b.in_force()
        assert mine == Refusals({"bob": NOW + 60}, {})
        assert theirs == Refusals({"carol": NOW + 60}, {})
        with running_store(port=port):
            for store in world.stores:
                await store.look()
            await world.look(world.a, world.b)
            assert world.a.in_force() == world.b.in_force() == mine


async def test_no_more_are_refused_than_agreed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others write beyond the bounds is cut: the latest refusals, in every gateway the same.

    One's own order beyond the bounds is an error.
    """
    most = 5
    monkeypatch.setattr(refusal_replica, "MOST", most)
    monkeypatch.setattr("gateway.orders.MOST", most)
    for number in range(most):
        world.a.refuse("users", f"a{number}", NOW + 60)
        world.b.refuse("users", f"b{number}", NOW + 60)
    await world.look(world.a)
    await world.look(world.b, world.a)
    await world.look(world.b)
    later = world.replica()
    await world.look(later)
    assert len(await world.words()) == 2 * most
    assert later.in_force() == world.a.in_force() == world.b.in_force()
    assert len(later.in_force().users) == most
    with pytest.raises(InvalidRequest):
        later.refuse("users", "one more", NOW + 60)
    assert later.in_force() == world.a.in_force()


async def test_marks_of_lifted_refusals_are_bounded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest are forgotten, here and in the store."""
    monkeypatch.setattr(refusal_replica, "MOST", 5)
    for number in range(9):
        world.a.allow("tokens", f"{number}")
        await world.look(world.a)
    await world.look(world.a)
    assert set(await world.words()) == {f"tokens:{number}" for number in range(4, 9)}


async def test_the_most_refusals_are_read(world: World) -> None:
    """All 10,000 users and tokens with long names reach the other gateway."""
    users = dict.fromkeys(
        (f"{number:05}" + "\U0001f600" * 123 for number in range(10_000)), NOW + 9
    )
    tokens = dict.fromkeys((f"{number:05}" + "x" * 251 for number in range(10_000)), NOW + 9)
    word = b"%d %.6f %.6f" % (NOW * 1000, NOW + 9, NOW + 9)
    fields = [*(f"users:{each}" for each in users), *(f"tokens:{each}" for each in tokens)]
    await world.raw.hset(world.key, mapping=dict.fromkeys(fields, word) | {"version": b"1"})
    await world.look(world.a)
    assert world.a.in_force() == Refusals(users, tokens)


ODD = {
    "users:": b"%d %.6f %.6f",
    "users:a b": b"%d %.6f %.6f",
    "tokens:\N{SNOWMAN}": b"%d %.6f %.6f",
    "rooms:1": b"%d %.6f %.6f",
    "bob": b"%d %.6f %.6f",
    b"users:\xff": b"%d %.6f %.6f",
    b"\xff": b"",
    "users:empty": b"",
    "users:word": b"x",
    "users:json": b'{"until": 1}',
    "users:negative": b"%d -%.6f %.6f",
    "users:more": b"%d %.6f %.6f 1",
    "users:nan": b"1 nan nan",
    "users:inf": b"1 inf inf",
    "users:long": b"1 999999999999.000000 999999999999.000000",
    "users:stamp": b"9999999999999999 1900000000.000000 1900000000.000000",
    "users:binary": bytes(range(256)),
}


async def test_odd_values_are_ignored(world: World) -> None:
    """What nobody of ours has written harms nothing, and a refusal of that name replaces it."""
    words = {
        field: value % (NOW * 1000, NOW + 60, NOW + 60) if b"%d" in value else value
        for field, value in ODD.items()
    }
    await world.raw.hset(world.key, mapping={**words, "version": b"x"})
    world.a.refuse("users", "bob", NOW + 60)
    await world.look(world.a, world.b)
    await world.look(world.a, world.b)
    assert world.a.in_force() == world.b.in_force() == Refusals({"bob": NOW + 60}, {})
    names = [str(field).removeprefix("users:") for field in ODD if str(field)[6:].isalpha()]
    for name in names:
        world.a.refuse("users", name, NOW + 60)
    await world.look(world.a, world.b)
    assert set(world.b.in_force().users) == {"bob", *names} > {"stamp", "empty", "inf"}


@pytest.mark.parametrize("version", ["1e300", "nan", "-5", "", "9" * 40])
async def test_an_odd_version_hides_no_change(world: World, version: str) -> None:
    """A change is seen, whatever stood there as the version."""
    await world.raw.hset(world.key, "version", version)
    await world.look(world.a, world.b)
    for number in range(2):
        world.a.refuse("users", f"{number}", NOW + 60)
        await world.look(world.a, world.b)
        assert f"{number}" in world.b.in_force().users


async def test_another_type_gives_way(world: World) -> None:
    """A value of another type under the key does not keep refusals from being shared."""
    await world.raw.set(world.key, "x")
    world.a.refuse("users", "bob", NOW + 60)
    await world.look(world.a, world.b)
    assert world.b.in_force() == Refusals({"bob": NOW + 60}, {})


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["refuse", "shorten", "allow", "look", "lose"]),
        st.integers(0, 1),
        st.sampled_from("xyz"),
    ),
    max_size=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_the_last_order_on_each_name_holds(
    store_server: StoreServer, steps: list[tuple[str, int, str]]
) -> None:
    """Whatever is ordered where, and however often the store loses all: the last order holds."""
    async with sharing(store_server.url) as world:
        both, expected = (world.a, world.b), dict[str, float]()
        await world.look(*both)
        for step, which, name in steps:
            world.clock.now += 1
            if step == "look":
                await both[which].look()
            elif step == "lose":
                await world.raw.delete(world.key)
            elif step == "allow":
                both[which].allow("users", name)
                expected.pop(name, None)
            else:
                until = NOW + (9000 if step == "refuse" else 5000)
                both[which].refuse("users", name, until)
                expected[name] = until
        for _ in range(3):
            await world.look(*both)
        assert world.a.in_force() == world.b.in_force() == Refusals(expected, {})


@contextmanager
def in_thread(url: RedisUrl, prefix: str) -> Iterator[RefusalReplica]:
    """Run a replica as the supervisor does."""
    metrics = Metrics()
    store = SharedStore(
        connect(url),
        prefix,
        clock=time.monotonic,
        log=LOG,
        calls=metrics.store_calls,
        duration=metrics.store_duration,
    )
    book = OrderBook(shared_orders(), time.time)
    replica = RefusalReplica(book, store, clock=time.time, timer=time.monotonic, log=LOG)
    with beside(replica.run, "refusals"):
        replica.wait_for_first_look()
        yield replica


def test_an_order_is_shared_at_once(store_server: StoreServer) -> None:
    """An operator's thread is told that the store has it; a gateway that starts then knows it."""
    prefix, until = secrets.token_hex(8), time.time() + 60
    with in_thread(store_server.url, prefix) as first:
        assert first.refuse("users", "bob", until)
        with in_thread(store_server.url, prefix) as second:
            assert "bob" in second.in_force().users
            assert second.allow("users", "bob")
            eventually(lambda: not first.in_force())


def test_orders_are_told_as_unshared_and_shared_later() -> None:
    """With the store paused they hold here, nobody waits long, and they are shared afterwards."""
    prefix, until = secrets.token_hex(8), time.time() + 600
    with (
        running_store() as server,
        in_thread(server.url, prefix) as first,
        in_thread(server.url, prefix) as second,
    ):
        server.pause()
        try:
            assert not first.refuse("users", "bob", until)
            assert not first.refuse("users", "carol", until)
            assert not first.allow("users", "bob")
            assert set(first.in_force().users) == {"carol"}
        finally:
            server.resume()
        eventually(lambda: set(second.in_force().users) == {"carol"})
        assert set(first.in_force().users) == {"carol"}


def test_threads_order_at_once(store_server: StoreServer) -> None:
    """Orders from many threads, while others are read, are all kept."""
    prefix, until = secrets.token_hex(8), time.time() + 600
    with (
        in_thread(store_server.url, prefix) as first,
        in_thread(store_server.url, prefix) as second,
    ):

        async def order() -> None:
            await asyncio.gather(
                *(
                    asyncio.to_thread(each.refuse, "users", f"{number}{index}", until)
                    for number in range(100)
                    for index, each in enumerate((first, second))
                )
            )

        asyncio.run(order())
        eventually(lambda: first.in_force() == second.in_force())
        assert len(first.in_force().users) == 200
