"""The number of calls under way at once."""

import asyncio
from collections.abc import Callable
from functools import partial
from random import Random

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream import Call, Reply, Send
from gateway.upstream.call import deadline_in
from gateway.upstream.connection_limiter import ConnectionLimiter, with_connection
from gateway.upstream.faults import NotAttempted

FINE = Reply(200, httpx.Headers(), b"")


class World:
    """An upstream that answers when it is told to, behind two permits."""

    def __init__(self, *, seconds: float = 10) -> None:
        self._under_way: list[Call] = []
        self.most = 0
        self.answer = asyncio.Event()
        self.limiter = ConnectionLimiter(2)
        self.send: Send = with_connection(self.limiter, self._send)
        self._seconds = seconds

    @property
    def under_way(self) -> int:
        """The number of calls being answered."""
        return len(self._under_way)

    def pass_time(self, seconds: float) -> None:
        """Make the calls under way this much older."""
        for call in self._under_way:
            call.deadline -= seconds

    async def _send(self, call: Call) -> Reply:
        self._under_way.append(call)
        self.most = max(self.most, self.under_way)
        try:
            await self.answer.wait()
        finally:
            self._under_way.remove(call)
        return FINE

    def call(self, on_sent: Callable[[], None] | None = None) -> asyncio.Future[Reply]:
        """Start a call."""
        call = Call("GET", "/", deadline_in(self._seconds), on_sent=on_sent)
        return asyncio.ensure_future(self.send(call))


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_the_rest_wait_in_order() -> None:
    """No more calls run than there are permits, and every call is served in the end."""

    async def run() -> None:
        world = World()
        calls = [world.call() for _ in range(50)]
        await _settle()
        assert world.under_way == 2
        world.answer.set()
        assert await asyncio.gather(*calls) == [FINE] * 50
        assert world.most == 2

    asyncio.run(run())


def test_waiting_has_an_end() -> None:
    """After most of its time a call without a permit is refused; those under way go on."""

    async def run() -> None:
        world = World(seconds=0.1)
        under_way = [world.call(), world.call()]
        await _settle()
        with pytest.raises(NotAttempted, match="all connections are busy"):
            await world.call()
        world.answer.set()
        assert await asyncio.gather(*under_way) == [FINE, FINE]

    asyncio.run(run())


def test_a_call_that_would_wait_in_vain_is_refused_on_arrival() -> None:
    """If calls have taken 0.1 s lately, two permits serve fifteen more in 0.75 s, no more."""

    async def run() -> None:
        world = World(seconds=1)
        for _ in range(60):  # until the mean has settled
            call = world.call()
            await _settle()
            world.pass_time(0.1)
            world.answer.set()
            await call
            world.answer.clear()
        calls = [world.call() for _ in range(30)]
        await _settle()
        refused = [call for call in calls if call.done()]
        assert calls[:17] == [call for call in calls if not call.done()][:17]
        assert 12 <= len(refused) <= 13
        assert {type(call.exception()) for call in refused} == {NotAttempted}
        world.answer.set()
        await asyncio.gather(*calls, return_exceptions=True)

    asyncio.run(run())


def test_on_sent_is_called_once_a_call_has_its_permit() -> None:
    """A call that is given up before has sent nothing."""

    async def run() -> None:
        world, sent = World(), list[int]()
        calls = [world.call(partial(sent.append, number)) for number in range(3)]
        await _settle()
        assert sent == [0, 1]
        world.answer.set()
        await asyncio.gather(*calls)
        assert sent == [0, 1, 2]

    asyncio.run(run())


@given(st.lists(st.sampled_from(["call", "cancel", "answer", "pass"]), max_size=60), st.randoms())
def test_permits_add_up(steps: list[str], random: Random) -> None:
    """In any order of calls and cancellations at most two run, and both permits come back."""

    async def run() -> None:
        world = World()
        calls: list[asyncio.Future[Reply]] = []
        for step in steps:
            if step == "call":
                calls.append(world.call())
            elif step == "cancel" and calls:
                random.choice(calls).cancel()
            elif step == "answer":
                world.answer.set()
                world.answer.clear()
            else:
                await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert world.most <= 2
        assert world.under_way == 0
        last = [world.call(), world.call(), world.call()]
        await _settle()
        assert world.under_way == 2
        world.answer.set()
        await asyncio.gather(*last)

    asyncio.run(run())


def test_no_permit_is_lost_to_cancelled_calls() -> None:
    """Calls cancelled while they wait or run leave as many permits as before."""

    async def run() -> None:
        world = World()
        for _ in range(20):
            calls = [world.call() for _ in range(6)]
            await _settle()
            for call in calls[::2]:
                call.cancel()
            await _settle()
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        assert world.under_way == 0
        calls = [world.call(), world.call()]
        await _settle()
        assert world.under_way == 2
        world.answer.set()
        await asyncio.gather(*calls)

    asyncio.run(run())


def test_active_and_waiting_calls_are_counted() -> None:
    """The numbers are right at each moment, and zero in the end."""

    async def run() -> None:
        world = World()
        calls = [world.call() for _ in range(5)]
        await _settle()
        assert (world.limiter.active, world.limiter.waiting) == (2, 3)
        calls[4].cancel()
        await _settle()
        assert (world.limiter.active, world.limiter.waiting) == (2, 2)
        world.answer.set()
        await asyncio.gather(*calls[:4])
        assert (world.limiter.active, world.limiter.waiting) == (0, 0)

    asyncio.run(run())
