"""Calls to the store in pipelines: one for each turn, bounded in time, and nobody left behind."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Any

import pytest

from gateway.shared_store import Connected, StoreUnavailable
from gateway.shared_store.batches import Batches


class NoScript(Exception):
    """A store's error."""


class Store:
    """A store whose pipelines wait for `answering`; each reply is the call's first argument.

    An exception in its place is returned as a result, and `error` is raised.
    """

    def __init__(self) -> None:
        self.pipelines: list[list[Any]] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.error: Exception | None = None
        self.under_way = 0
        self.at_most = 0

    def pipeline(self, transaction: bool = True) -> "Pipeline":  # noqa: FBT001, FBT002  # the library's
        """Begin a pipeline."""
        assert not transaction
        return Pipeline(self)


class Pipeline:
    """A pipeline of such a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._calls: list[Any] = []

    def execute_command(self, *args: Any) -> None:
        """Add a command."""
        self._calls.append(args[0])

    async def execute(self, *, raise_on_error: bool) -> list[Any]:
        """Send them."""
        assert not raise_on_error
        store = self._store
        store.pipelines.append(self._calls)
        store.under_way += 1
        store.at_most = max(store.at_most, store.under_way)
        try:
            await store.answering.wait()
        finally:
            store.under_way -= 1
        if store.error is not None:
            raise store.error
        return self._calls


class Heard:
    """What a listener hears."""

    def __init__(self) -> None:
        self.results: list[Any] = []
        self.failures: list[tuple[str, int, bool]] = []
        self.give_up: Callable[[], None] = lambda: None

    def replied(self, results: Sequence[Any], _: float) -> None:
        """Hear results."""
        self.results += results

    def failed(self, error: Exception, calls: int, *, late: bool) -> None:
        """Hear a failure."""
        self.failures.append((str(error), calls, late))
        self.give_up()


class World:
    """Batches, their store and their listener."""

    def __init__(self) -> None:
        self.store = Store()
        self.heard = Heard()
        nothing: Callable[[], Coroutine[Any, Any, None]] = self._nothing
        connected = Connected(
            self.store,
            lambda: None,
            nothing,
            failures=(Exception,),
            no_script=NoScript,
            of_one_call=(NoScript,),
            unable=lambda _: False,
        )
        self.batches = Batches(connected, self.heard)
        self.heard.give_up = self.batches.give_up

    async def _nothing(self) -> None:
        pass

    def call(self, argument: Any) -> "asyncio.Future[Any]":
        """Make a call."""
        return self.batches.call((argument,))


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    """Give batches; none is under way afterwards."""
    made = World()
    yield made
    made.store.answering.set()
    await made.batches.aclose()


async def turn() -> None:
    """Let one turn of the event loop pass."""
    await asyncio.sleep(0)


async def test_the_calls_of_one_turn_are_one_pipeline(world: World) -> None:
    """Calls in the same turn of the event loop go out together, in order; later ones do not."""
    first = [world.call(number) for number in range(3)]
    for _ in range(3):
        await turn()
    second = [world.call(number) for number in range(3, 5)]
    assert await asyncio.gather(*first, *second) == [0, 1, 2, 3, 4]
    assert world.store.pipelines == [[0, 1, 2], [3, 4]]
    assert world.heard.results == [0, 1, 2, 3, 4]


async def test_each_call_has_its_own_reply(world: World) -> None:
    """An error in place of one reply is raised to its caller and to no other."""
    error = NoScript()
    good, bad, other = [world.call(argument) for argument in ("a", error, "b")]
    with pytest.raises(NoScript):
        await bad
    assert (await good, await other) == ("a", "b")
    assert world.heard.failures == []


async def test_a_caller_that_leaves_harms_no_other(world: World) -> None:
    """The pipeline of a cancelled caller runs on, and its other calls get their replies."""
    world.store.answering.clear()
    leaving, staying = asyncio.ensure_future(world.call("a")), world.call("b")
    await turn()
    await turn()
    leaving.cancel()
    world.store.answering.set()
    assert await staying == "b"
    assert world.store.pipelines == [["a", "b"]]


async def test_four_pipelines_at_once(world: World) -> None:
    """Calls that come while four pipelines run wait, and go out as one when one has ended."""
    world.store.answering.clear()
    calls = []
    for number in range(9):
        calls.append(world.call(number))
        for _ in range(3):
            await turn()
    assert world.store.pipelines == [[0], [1], [2], [3]]
    world.store.answering.set()
    assert await asyncio.gather(*calls) == list(range(9))
    assert world.store.pipelines[4:] == [[4, 5, 6, 7, 8]]
    assert world.store.at_most == 4


async def test_a_call_right_after_four_replies_is_sent(world: World) -> None:
    """A caller that goes on in the turn in which all four pipelines have ended is answered."""
    world.store.answering.clear()
    calls = []
    for number in range(4):
        calls.append(world.call(number))
        for _ in range(3):
            await turn()
    next_calls: list[asyncio.Future[Any]] = []
    calls[0].add_done_callback(lambda _: next_calls.append(world.call("next")))
    world.store.answering.set()
    await asyncio.gather(*calls)
    async with asyncio.timeout(5):
        assert await next_calls[0] == "next"


async def test_no_reply_in_time(world: World) -> None:
    """All calls fail within 250 ms of the first, those that have not been sent included."""
    world.store.answering.clear()
    loop = asyncio.get_running_loop()
    began = loop.time()
    sent = []
    for number in range(5):
        sent.append(world.call(number))
        for _ in range(3):
            await turn()
    ended = await asyncio.gather(*sent, return_exceptions=True)
    assert [type(each) for each in ended] == [StoreUnavailable] * 5
    assert 0.2 < loop.time() - began < 0.25 + 0.2
    assert world.heard.failures[0][1:] == (1, True)


async def test_the_wait_for_a_pipeline_counts(world: World) -> None:
    """A call that waited for its turn has only the rest of its 250 ms: the deadline is its own."""
    world.store.answering.clear()
    loop = asyncio.get_running_loop()
    for number in range(4):
        world.call(number)
        for _ in range(3):
            await turn()
    began = loop.time()
    waiting = world.call("waiting")
    world.heard.give_up = lambda: None
    release = loop.call_later(0.15, lambda: pulse(world.store))
    with pytest.raises(StoreUnavailable):
        await waiting
    assert loop.time() - began < 0.25 + 0.1
    assert world.store.pipelines[4] == ["waiting"]
    release.cancel()


def pulse(store: Store) -> None:
    """Let the pipelines under way end, and no later ones."""
    store.answering.set()
    store.answering = asyncio.Event()


async def test_a_call_made_before_a_standstill(world: World) -> None:
    """If this process stands still for longer than the deadline, a reply that is there is taken."""
    world.store.answering.clear()
    call = world.call("a")
    time.sleep(0.3)  # noqa: ASYNC251  # as a blocked event loop does
    for _ in range(3):
        await turn()
    asyncio.get_running_loop().call_soon(world.store.answering.set)
    assert await call == "a"
    assert world.heard.failures == []


@pytest.mark.parametrize(
    "error",
    [OSError("refused"), ValueError("an odd MOVED"), TypeError("unhashable"), Exception("slots")],
    ids=repr,
)
async def test_whatever_the_client_raises_is_a_failure(world: World, error: Exception) -> None:
    """Any error of the library fails the calls of its pipeline, is noted, and stops no other."""
    world.store.error = error
    world.store.answering.clear()
    calls = []
    for number in range(6):
        calls.append(world.call(number))
        for _ in range(3):
            await turn()
    world.heard.give_up = lambda: None
    world.store.answering.set()
    async with asyncio.timeout(5):
        ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in ended] == [StoreUnavailable] * 6
    assert sorted(failure[1:] for failure in world.heard.failures) == [(1, False)] * 4 + [
        (2, False)
    ]
    world.store.error = None
    assert await world.call("a") == "a"


async def test_closing_waits_for_pipelines(world: World) -> None:
    """A pipeline under way ends before the connections do."""
    world.store.answering.clear()
    call = world.call("a")
    await turn()
    closing = asyncio.create_task(world.batches.aclose())
    await turn()
    assert not closing.done()
    world.store.answering.set()
    await closing
    assert call.result() == "a"
