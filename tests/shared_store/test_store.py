"""The shared store over a real server: scripts, outages, and calls that must not be lost."""

import asyncio
import gc
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from gateway.redis_url import RedisUrl
from gateway.shared_store import Script, StoreUnavailable, connect
from gateway.shared_store.batches import DEADLINE
from gateway.telemetry import RequestContext
from tests.fakes.clock import Clock
from tests.fakes.clocked_store import ClockedStore
from tests.fakes.shared_cache import new_prefix
from tests.store_server import StoreServer, running_store
from tests.waiting import until

GET = Script("return redis.call('GET', KEYS[1])")
SET = Script("redis.call('SET', KEYS[1], ARGV[1])")
APPEND = Script("return redis.call('APPEND', KEYS[1], ARGV[1])")
PUSH = Script("redis.call('RPUSH', KEYS[1], ARGV[1])")
LIST = Script("return redis.call('LRANGE', KEYS[1], 0, -1)")


class World:
    """A store of its own, and a client of it."""

    def __init__(self, url: RedisUrl) -> None:
        self.clock = Clock()
        self.url = url
        self.store = ClockedStore(connect(url), new_prefix(), self.clock)

    async def command(self, *words: str | int) -> Any:
        """Run a command as an operator."""
        client = connect(self.url).client
        try:
            return await client.execute_command(*words)
        finally:
            await client.aclose()

    async def looked(self, state: str) -> bool:
        """Probe the store once; return whether it is in this state then."""
        await self.store.look()
        return self.store.state == state

    async def in_state(self, state: str) -> None:
        """Probe until the store is in this state."""
        self.clock.now += 0.5
        await until(partial(self.looked, state))


@asynccontextmanager
async def world_of(server: StoreServer) -> AsyncGenerator[World]:
    """Give the surroundings of a test. Nothing fails unseen in it."""
    unseen: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    made = World(server.url)
    yield made
    await made.store.aclose()
    gc.collect()
    await asyncio.sleep(0)
    assert unseen == []


@pytest.fixture(scope="module")
def server() -> Any:
    """A server that tests may change, and change back."""
    with running_store() as server:
        yield server


@pytest.fixture
async def world(server: StoreServer) -> AsyncGenerator[World]:
    """Give the surroundings of a test."""
    async with world_of(server) as made:
        yield made


@pytest.fixture
async def alone() -> AsyncGenerator[tuple[World, StoreServer]]:
    """Give the same with a server that a test may stop."""
    with running_store() as server:
        async with world_of(server) as made:
            yield made, server


async def failing(call: Awaitable[Any]) -> None:
    """Require that a call fails as the port says."""
    with pytest.raises(StoreUnavailable):
        await call


# Scripts


async def test_a_script_that_the_store_does_not_know(world: World) -> None:
    """A new script, and one that was flushed, runs at its first call, whoever made it."""
    made = [Script(f"return redis.call('INCR', KEYS[1]) + {number} * 0") for number in (1, 2)]
    assert await world.store.run(made[0], ["a"]) == 1
    world.store.send(made[1], ["a"])
    assert await until_value(world, "a", b"2")
    await world.command("SCRIPT", "FLUSH")
    assert await world.store.run(made[0], ["a"]) == 3
    await world.command("SCRIPT", "FLUSH")
    world.store.send(made[1], ["a"])
    assert await until_value(world, "a", b"4")
    assert world.store.state == "ok"


async def until_value(world: World, key: str, value: bytes) -> bool:
    """Wait until a key has a value."""

    async def has() -> bool:
        return bool(await world.store.run(GET, [key]) == value)

    await until(has, within=10)
    return True


async def test_a_value_of_another_type_is_no_outage(world: World) -> None:
    """Calls that meet another type of value fail, however many, and the store stays in use."""
    await world.store.run(PUSH, ["list"], b"x")
    for _ in range(10):
        await failing(world.store.run(GET, ["list"]))
    assert world.store.state == "ok"
    await world.store.run(SET, ["a"], b"x")


async def test_a_script_that_fails_is_no_outage(world: World) -> None:
    """The same holds for a script that meets a value it does not expect."""
    await world.store.run(SET, ["a"], b"abc")
    script = Script("return redis.call('GET', KEYS[1]) + 1")
    for _ in range(10):
        await failing(world.store.run(script, ["a"]))
    assert world.store.state == "ok"


# Outages


@pytest.mark.parametrize(
    ("trouble", "remedy"),
    [
        (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]),
        (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]),
        (
            ["CONFIG", "SET", "min-replicas-to-write", "1"],
            ["CONFIG", "SET", "min-replicas-to-write", "0"],
        ),
    ],
    ids=["full", "read-only", "without its replicas"],
)
async def test_a_store_that_cannot_write(
    world: World, trouble: list[str], remedy: list[str]
) -> None:
    """A store that answers but cannot write is out of use in a second, however many reads succeed.

    It is in use again when it can write, without a request in between.
    """
    await world.store.run(SET, ["a"], b"x")
    await world.command(*trouble)
    try:
        for _ in range(5):
            await world.store.look()
            if world.store.state == "ok":
                await asyncio.gather(
                    *(world.store.run(GET, ["a"]) for _ in range(10)), return_exceptions=True
                )
        assert world.store.state == "degraded"
        await failing(world.store.run(GET, ["a"]))
        await world.in_state("degraded")
    finally:
        await world.command(*remedy)
    await world.in_state("ok")
    await world.store.run(SET, ["a"], b"x")


async def test_a_store_that_hangs(alone: tuple[World, StoreServer]) -> None:
    """The first call without a reply within 250 ms takes the store out of use; then none waits."""
    world, server = alone
    loop = asyncio.get_running_loop()
    await world.store.run(SET, ["a"], b"x")
    server.pause()
    await failing(world.store.run(GET, ["a"]))
    assert world.store.state == "degraded"
    assert b"no reply in time" in world.store.events.getvalue()
    began = loop.time()
    for _ in range(100):
        await failing(world.store.run(GET, ["a"]))
    assert loop.time() - began < 100 * DEADLINE / 2
    server.resume()
    await world.in_state("ok")
    assert await world.store.run(GET, ["a"]) == b"x"


async def test_a_store_that_hangs_for_a_moment(alone: tuple[World, StoreServer]) -> None:
    """A pause of less than 250 ms costs nobody the store."""
    world, server = alone
    await world.store.run(SET, ["a"], b"x")
    server.pause()
    asyncio.get_running_loop().call_later(0.1, server.resume)
    replies = await asyncio.gather(*(world.store.run(GET, ["a"]) for _ in range(20)))
    assert replies == [b"x"] * 20
    assert world.store.state == "ok"


async def test_a_process_that_stands_still(world: World) -> None:
    """A process that itself stands still for longer than a deadline does not blame the store."""
    await world.store.run(SET, ["a"], b"x")
    for turns in range(6):
        call = asyncio.create_task(world.store.run(GET, ["a"]))
        for _ in range(turns):
            await asyncio.sleep(0)
        time.sleep(0.3)  # noqa: ASYNC251  # as a blocked event loop does
        assert await call == b"x"
    assert world.store.state == "ok"


async def test_a_store_that_is_not_there(alone: tuple[World, StoreServer]) -> None:
    """Five calls that fail take the store out of use; a restart on the same port brings it back."""
    world, server = alone
    await world.store.run(SET, ["a"], b"x")
    server.process.kill()
    server.process.wait()
    for _ in range(4):
        await failing(world.store.run(GET, ["a"]))
    assert world.store.state == "ok"
    await failing(world.store.run(GET, ["a"]))
    assert world.store.state == "degraded"
    with running_store(port=server.port):
        await world.in_state("ok")
        assert await world.store.run(GET, ["a"]) is None
    assert b"store_lost" in world.store.events.getvalue()
    assert b"store_back" in world.store.events.getvalue()


@pytest.mark.parametrize(
    "reply",
    [
        b"-MOVED\r\n",
        b"-MOVED 1 host\r\n",
        b"%1\r\n*1\r\n+a\r\n+b\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\0\xff\r\n",
        b"-\xff\r\n",
        b":x\r\n",
        b"",
    ],
)
async def test_something_else_answers(reply: bytes) -> None:
    """Whatever answers in the store's place, calls fail as the port says, and nothing else does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            greetings = data.count(b"SETINFO")
            writer.write(b"+OK\r\n" * greetings if greetings else reply)
            if not reply and not greetings:
                break
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    world = World(RedisUrl(nodes=(listening.sockets[0].getsockname()[:2],)))
    async with listening:
        for _ in range(2):
            calls = [world.store.run(GET, ["a"]) for _ in range(3)]
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(each) for each in ended} <= {StoreUnavailable}
        world.store.send(GET, ["a"])
        await world.store.deliver(SET, ["a"], b"x")
        await world.store.look()
        await world.store.aclose()


async def test_a_store_that_hangs_while_this_process_stands_still(
    alone: tuple[World, StoreServer],
) -> None:
    """The deadline alone decides, not a time-out of the library's that ends meanwhile."""
    world, server = alone
    await world.store.run(SET, ["a"], b"x")
    server.pause()
    calling = asyncio.create_task(world.store.run(GET, ["a"]))
    await asyncio.sleep(0.05)
    time.sleep(2 * DEADLINE)  # noqa: ASYNC251  # the loop is held
    await failing(calling)
    assert world.store.state == "degraded"
    server.resume()


# Calls that must not be lost


async def test_kept_calls_come_before_others(alone: tuple[World, StoreServer]) -> None:
    """What was not sent while the store hung is sent in order, before anybody may use the store."""
    world, server = alone
    await world.store.run(SET, ["a"], b"x")
    server.pause()
    await world.store.deliver(PUSH, ["first"], b"late")
    for number in range(1100):
        await world.store.deliver(SET, [f"key{number}"], b"1")
    await world.store.deliver(SET, ["key7"], b"2")
    assert world.store.unsent == 1101
    server.resume()
    await world.in_state("ok")
    assert world.store.unsent == 0
    keys = [f"{world.store.prefix}:key{number}" for number in range(1100)]
    replies = await world.command("MGET", *keys)
    assert (replies[7], set(replies)) == (b"2", {b"1", b"2"})


async def test_a_kept_call_does_not_wait_for_an_outage(alone: tuple[World, StoreServer]) -> None:
    """A call that failed alone, as its connection broke, is sent by the next probe."""
    world, server = alone
    await world.store.run(SET, ["a"], b"x")
    server.process.kill()
    server.process.wait()
    await world.store.deliver(SET, ["a"], b"kept")
    assert (world.store.unsent, world.store.state) == (1, "ok")
    with running_store(port=server.port):
        await world.store.look()
        assert await world.store.run(GET, ["a"]) == b"kept"
        assert world.store.unsent == 0


async def test_a_kept_call_never_undoes_a_later_one(alone: tuple[World, StoreServer]) -> None:
    """Two calls about one key reach the store in their order, though the first one failed."""
    world, server = alone
    await world.store.run(SET, ["a"], b"x")
    server.process.kill()
    server.process.wait()
    await world.store.deliver(SET, ["a"], b"earlier")
    with running_store(port=server.port):
        await world.store.deliver(SET, ["a"], b"later")
        await world.store.look()
        assert await world.store.run(GET, ["a"]) == b"later"


async def test_a_kept_call_that_can_never_run(alone: tuple[World, StoreServer]) -> None:
    """A kept call that meets another type of value is dropped, and holds up no other."""
    world, server = alone
    await world.store.run(SET, ["a"], b"x")
    server.pause()
    await world.store.deliver(PUSH, ["a"], b"never")
    await world.store.deliver(PUSH, ["list"], b"kept")
    server.resume()
    await world.in_state("ok")
    assert world.store.unsent == 0
    assert await world.store.run(LIST, ["list"]) == [b"kept"]
    await world.store.deliver(PUSH, ["a"], b"never")
    assert world.store.unsent == 0


async def test_no_more_calls_are_kept_than_there_is_room(
    alone: tuple[World, StoreServer],
) -> None:
    """Beyond 10,000 calls the oldest are lost, and their number is logged."""
    world, server = alone
    server.pause()
    for number in range(10_003):
        await world.store.deliver(SET, [f"key{number}"], b"1")
    assert world.store.unsent == 10_000
    server.resume()
    await world.in_state("ok")
    assert b'"unsent_lost":3' in world.store.events.getvalue()
    ends = [await world.store.run(GET, [f"key{number}"]) for number in (2, 3, 10_002)]
    assert ends == [None, b"1", b"1"]


async def test_nobody_waits_for_what_is_sent(alone: tuple[World, StoreServer]) -> None:
    """`send` returns at once, also while the store hangs or is out of use, and raises nothing."""
    world, server = alone
    sending: Callable[[], None] = partial(world.store.send, SET, ["a"], b"x")
    sending()
    assert await until_value(world, "a", b"x")
    server.pause()
    sending()
    await failing(world.store.run(GET, ["a"]))
    assert world.store.state == "degraded"
    sending()
    server.resume()
    await world.in_state("ok")


async def test_callers_that_leave(world: World) -> None:
    """A cancelled call disturbs neither the connection nor the others, and leaves nothing."""
    await world.store.run(SET, ["a"], b"x")
    for turns in range(12):
        leaving = asyncio.create_task(world.store.run(APPEND, ["b"], b"."))
        staying = asyncio.create_task(world.store.run(GET, ["a"]))
        for _ in range(turns):
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
        assert await staying == b"x"
    assert world.store.state == "ok"


async def test_all_calls_of_a_request_wait_no_longer_than_one(world: World) -> None:
    """A slow store delays a request by 250 ms in all; other requests, and work of none, go on."""
    answer = world.store._run  # noqa: SLF001  # the way to the store, in the middle of which to wait

    async def slow(script: Script, keys: Sequence[str], args: Sequence[bytes | int]) -> Any:
        value = await answer(script, keys, args)
        world.clock.now += 0.1
        return value

    world.store._run = slow  # type: ignore[method-assign]  # noqa: SLF001  # same

    async def request() -> list[bool]:
        RequestContext("1").enter()
        return [await answers(world) for _ in range(5)]

    passed = [await asyncio.create_task(request()) for _ in range(2)]
    assert passed == [[True, True, True, False, False]] * 2
    assert world.store.state == "ok"
    assert [await answers(world) for _ in range(5)] == [True] * 5


async def answers(world: World) -> bool:
    """Return whether a call is answered."""
    try:
        await world.store.run(GET, ["a"])
    except StoreUnavailable:
        return False
    return True


def test_waits_at_the_same_time_count_once() -> None:
    """Fifty calls that wait together for a tenth of a second are a wait of a tenth."""
    request = RequestContext("1")
    for _ in range(50):
        request.begin_wait(10.0)
    assert request.waited(10.05) == pytest.approx(0.05)
    for _ in range(50):
        request.end_wait(10.1)
    request.begin_wait(20.0)
    request.end_wait(20.1)
    assert request.waited(30.0) == pytest.approx(0.2)
