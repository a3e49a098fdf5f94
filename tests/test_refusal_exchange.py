"""Refusals of an operator, exchanged between replicas through a real store."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from gateway import orders
from gateway.orders import OrderBook, shared_orders
from gateway.refusal_exchange import RefusalExchange
from gateway.rooms import Refusals
from gateway.shared_store import Script, SharedStore, connect
from tests.fakes.clocked_store import ClockedStore
from tests.fakes.shared_cache import new_prefix
from tests.store_server import StoreServer, running_store
from tests.waiting import until

SOON = time.time() + 3600


class Replica:
    """An operator's book, and its exchange with a store."""

    def __init__(self, store: SharedStore) -> None:
        self.store = store
        self.book = OrderBook(shared_orders(), time.time)
        self.exchange = RefusalExchange(store, self.book)


class World:
    """Two replicas that share a store."""

    def __init__(self, a: Replica, b: Replica) -> None:
        self.a = a
        self.b = b

    async def exchanged(self) -> None:
        """Let both send what they have, then take what there is."""
        for _ in range(2):
            await self.a.exchange.exchange()
            await self.b.exchange.exchange()

    @property
    def refused(self) -> Refusals:
        """Who is refused by both alike."""
        known = self.a.book.in_force()
        assert known == self.b.book.in_force()
        return known


@asynccontextmanager
async def replica(server: StoreServer, prefix: str) -> AsyncGenerator[Replica]:
    """Give a replica of those with this prefix."""
    made = Replica(ClockedStore(connect(server.url), prefix, time.time))
    yield made
    await made.store.aclose()


@pytest.fixture
async def world(store_server: StoreServer) -> AsyncGenerator[World]:
    """Give two replicas."""
    prefix = new_prefix()
    async with replica(store_server, prefix) as a, replica(store_server, prefix) as b:
        yield World(a, b)


async def test_a_refusal_holds_in_every_replica(world: World) -> None:
    """What either operator refuses, and lifts, both do."""
    world.a.book.refuse("users", "bob", SOON)
    world.b.book.refuse("tokens", "1:2", SOON)
    await world.exchanged()
    assert world.refused == Refusals({"bob": SOON}, {"1:2": SOON})
    world.b.book.allow("users", "bob")
    world.a.book.refuse("tokens", "1:2", SOON + 1)
    await world.exchanged()
    assert world.refused == Refusals({}, {"1:2": SOON + 1})


async def test_a_new_replica_learns_of_all(world: World, store_server: StoreServer) -> None:
    """A gateway that starts later refuses whom the others refuse."""
    world.a.book.refuse("users", "böb", SOON)
    await world.exchanged()
    async with replica(store_server, world.a.store.prefix) as late:
        await late.exchange.exchange()
        assert late.book.in_force() == world.refused == Refusals({"böb": SOON}, {})


async def test_what_the_store_has_lost_is_put_back(world: World, store_server: StoreServer) -> None:
    """After a restart without data, whoever knows of a refusal tells of it again."""
    world.a.book.refuse("users", "bob", SOON)
    world.a.book.refuse("users", "eve", SOON)
    world.a.book.allow("users", "eve")
    await world.exchanged()
    await world.a.store.run(Script("redis.call('DEL', KEYS[1])"), ["refusals"])
    await world.exchanged()
    async with replica(store_server, world.a.store.prefix) as late:
        await late.exchange.exchange()
        assert late.book.in_force() == world.refused == Refusals({"bob": SOON}, {})


async def test_a_lifted_refusal_is_not_brought_back(world: World) -> None:
    """A replica that was away while a refusal was lifted does not put it back."""
    world.a.book.refuse("users", "bob", SOON)
    await world.exchanged()
    world.a.book.allow("users", "bob")
    await world.a.exchange.exchange()
    assert world.b.book.in_force().users
    await world.exchanged()
    assert world.refused == Refusals({}, {})


async def test_changes_wait_for_a_store_that_is_down() -> None:
    """Meanwhile they hold in their own replica, and reach the others in order afterwards."""
    prefix = new_prefix()
    with running_store() as server:
        port = server.port
        async with replica(server, prefix) as a, replica(server, prefix) as b:
            world = World(a, b)
            await world.exchanged()
            server.process.kill()
            server.process.wait()
            a.book.refuse("users", "bob", SOON)
            a.book.allow("users", "bob")
            a.book.refuse("users", "bob", SOON + 1)
            await a.exchange.exchange()
            assert a.exchange.waiting == 3
            assert a.book.in_force() == Refusals({"bob": SOON + 1}, {})
            with running_store(port=port):
                await until(partial(sent, a))
                await world.exchanged()
                assert world.refused == Refusals({"bob": SOON + 1}, {})


async def sent(replica: Replica) -> bool:
    """Probe the store, exchange, and return whether nothing is left to send."""
    await replica.store.look()
    await replica.exchange.exchange()
    return not replica.exchange.waiting


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("users:eve", "soon"),
        ("users:eve", "0x7fffffffffff"),
        ("users:", "1e12"),
        ("users:e ve", "1e12"),
        ("users:" + "e" * 129, "1e12"),
        ("tokens:\xe4", "1e12"),
        ("rooms:1", "1e12"),
        ("\xff", "1e12"),
    ],
)
async def test_odd_fields_are_left_out(world: World, field: str, value: str) -> None:
    """What no replica has written refuses nobody, and harms no other refusal."""
    world.a.book.refuse("users", "bob", SOON)
    await world.exchanged()
    put = Script("redis.call('HSET', KEYS[1], ARGV[1], ARGV[2], 'mark', 'odd')")
    await world.b.store.run(put, ["refusals"], field.encode("latin-1"), value.encode())
    await world.exchanged()
    assert world.refused == Refusals({"bob": SOON}, {})


async def test_no_more_are_taken_than_there_may_be(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica keeps to its bound, whatever the others have put into the store."""
    for number in range(5):
        world.a.book.refuse("users", str(number), SOON)
    monkeypatch.setattr(orders, "MOST", 3)
    await world.exchanged()
    assert len(world.b.book.in_force().users) == 3


async def test_a_value_of_another_type_changes_nothing(world: World) -> None:
    """Refusals hold in their own replica if another program has taken the key."""
    await world.a.store.run(Script("redis.call('SET', KEYS[1], 'x')"), ["refusals"])
    world.a.book.refuse("users", "bob", SOON)
    await world.exchanged()
    assert world.a.exchange.waiting == 1
    assert world.a.book.in_force() == Refusals({"bob": SOON}, {})
    assert world.a.store.state == "ok"
