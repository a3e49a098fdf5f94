"""The contract of `OpenCreates`, for every implementation: one row in `IMPLEMENTATIONS`."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from types import MappingProxyType

import pytest

from gateway.redis_url import RedisUrl
from gateway.rooms import IdempotencyClaim, OpenCreate, OpenCreates
from gateway.shared_store import Script, connect
from gateway.stores import LocalOpenCreates, SharedOpenCreates
from tests.fakes.clock import Clock
from tests.fakes.clocked_store import ClockedStore
from tests.fakes.shared_cache import new_prefix
from tests.store_server import StoreServer
from tests.waiting import until

HOUR = 3600
ONE = OpenCreate(IdempotencyClaim("alice", "key", "print"), "bob", "直播 \n😀")
OTHER = OpenCreate(IdempotencyClaim("bob", "key", "print"), "bob", "t")

Make = Callable[[Clock, RedisUrl, str], AbstractAsyncContextManager[OpenCreates]]


@asynccontextmanager
async def local(clock: Clock, _: RedisUrl, _prefix: str) -> AsyncGenerator[OpenCreates]:
    """Give those of this process's memory."""
    yield LocalOpenCreates(clock)


@asynccontextmanager
async def shared(clock: Clock, url: RedisUrl, prefix: str) -> AsyncGenerator[OpenCreates]:
    """Give those that processes share."""
    store = ClockedStore(connect(url), prefix, clock)
    yield SharedOpenCreates(store, LocalOpenCreates(clock))
    await store.aclose()


IMPLEMENTATIONS: MappingProxyType[str, Make] = MappingProxyType({"local": local, "shared": shared})


@pytest.fixture
def clock() -> Clock:
    """Return the time of one test."""
    return Clock()


@pytest.fixture(params=IMPLEMENTATIONS)
async def creates(
    request: pytest.FixtureRequest, clock: Clock, store_server: StoreServer
) -> AsyncGenerator[OpenCreates]:
    """Give each implementation in turn."""
    async with IMPLEMENTATIONS[request.param](clock, store_server.url, new_prefix()) as made:
        yield made


async def test_a_create_is_found_by_its_request_id(creates: OpenCreates) -> None:
    """Each create is found, whole, by its own request id alone."""
    creates.add("id-1", ONE)
    creates.add("id-2", OTHER)
    assert await creates.find("id-1") == ONE
    assert await creates.find("id-2") == OTHER
    assert await creates.find("id-3") is None


async def is_found(creates: OpenCreates) -> bool:
    """Return whether the create is found."""
    return await creates.find("id-1") is not None


async def is_gone(creates: OpenCreates) -> bool:
    """Return whether the create is no longer found."""
    return await creates.find("id-1") is None


async def test_a_create_that_has_ended_is_not_found(creates: OpenCreates) -> None:
    """A create is open until it is removed, which may happen twice, and is soon known to all."""
    creates.add("id-1", ONE)
    assert await creates.find("id-1") == ONE
    for _ in range(2):
        creates.remove("id-1")
        await until(partial(is_gone, creates))


async def test_a_process_keeps_a_create_for_an_hour(clock: Clock) -> None:
    """An hour after it was sent a create is forgotten."""
    creates = LocalOpenCreates(clock)
    creates.add("id-1", ONE)
    clock.now += HOUR - 1
    assert await creates.find("id-1") == ONE
    clock.now += 2
    assert await creates.find("id-1") is None


async def test_the_store_keeps_a_create_for_an_hour(store_server: StoreServer) -> None:
    """The store forgets by itself, by its own clock."""
    store = ClockedStore(connect(store_server.url), new_prefix(), Clock())
    creates = SharedOpenCreates(store, LocalOpenCreates(Clock()))
    creates.add("id-1", ONE)
    left = await store.run(Script("return redis.call('PTTL', KEYS[1])"), ["open:id-1"])
    assert (HOUR - 60) * 1000 < left <= HOUR * 1000
    await store.aclose()


async def test_a_process_keeps_few() -> None:
    """Beyond the bound a process forgets the oldest."""
    creates = LocalOpenCreates(Clock(), size=2)
    for number in range(3):
        creates.add(str(number), ONE)
    assert [await creates.find(str(number)) for number in range(3)] == [None, ONE, ONE]


async def test_another_process_finds_and_removes(store_server: StoreServer) -> None:
    """A create that one process has sent is found and removed by another."""
    clock, prefix = Clock(), new_prefix()
    async with (
        shared(clock, store_server.url, prefix) as sender,
        shared(clock, store_server.url, prefix) as hearer,
        shared(clock, store_server.url, prefix) as third,
    ):
        sender.add("id-1", ONE)
        await until(partial(is_found, hearer))
        assert await hearer.find("id-1") == ONE
        hearer.remove("id-1")
        await until(partial(is_gone, third))
