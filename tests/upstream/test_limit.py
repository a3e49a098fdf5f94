"""How many calls are under way at once."""

import asyncio
from random import Random

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.faults import Refused
from gateway.upstream.limit import limited
from gateway.upstream.send import Reply, Send, within

FINE = Reply(200, httpx.Headers(), b"")


class World:
    """An upstream that answers when it is told to, behind two places."""

    def __init__(self, *, seconds: float = 10) -> None:
        self.under_way = 0
        self.most = 0
        self.answer = asyncio.Event()
        self.send: Send = within(seconds, limited(2, self._send))

    async def _send(self, _: httpx.Request) -> Reply:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.answer.wait()
        finally:
            self.under_way -= 1
        return FINE

    def call(self) -> asyncio.Task[Reply]:
        """Start a call."""
        request = httpx.Request("GET", "http://upstream.invalid/")
        return asyncio.ensure_future(self.send(request))


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_the_rest_wait_their_turn() -> None:
    """Never more than there are places, and everyone is served in the end."""

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
    """After most of its time a call that never had a place is refused; those under way go on."""

    async def run() -> None:
        world = World(seconds=0.1)
        under_way = [world.call(), world.call()]
        await _settle()
        with pytest.raises(Refused, match=r"busy for 0\.075 s"):
            await world.call()
        world.answer.set()
        assert await asyncio.gather(*under_way) == [FINE, FINE]

    asyncio.run(run())


def test_the_newest_is_served_first() -> None:
    """A backlog of old calls is not in the way of a new one."""

    async def run() -> None:
        world = World()
        backlog = [world.call() for _ in range(50)]
        await _settle()
        newest = world.call()
        await _settle()
        backlog[0].cancel()
        await _settle()
        world.answer.set()
        await newest
        assert sum(each.done() for each in backlog) <= 4
        await asyncio.gather(*backlog, return_exceptions=True)

    asyncio.run(run())


@given(st.lists(st.sampled_from(["call", "cancel", "answer", "turn"]), max_size=60), st.randoms())
def test_places_add_up(steps: list[str], random: Random) -> None:
    """Whoever comes and goes when: never more than two, and both are there in the end."""

    async def run() -> None:
        world = World()
        calls: list[asyncio.Task[Reply]] = []
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


def test_no_place_is_lost_to_callers_who_go_away() -> None:
    """Cancelled while they wait or while they are served, they leave as many places as before."""

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
