"""The number of calls under way at once."""

import asyncio
from collections.abc import Callable
from functools import partial

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream import Call, Reply, Send
from gateway.upstream.call import deadline_in
from gateway.upstream.connection_limiter import ConnectionLimiter, with_connection
from gateway.upstream.faults import NotAttempted

FINE = Reply(200, httpx.Headers(), b"")


KINDS = pytest.mark.parametrize("for_write", [False, True], ids=["reads", "writes"])
"""What holds for each kind of call alone, with two connections for it."""


class StillCall(Call):
    """A call whose time passes in `World.pass_time` alone, however slow the machine is."""

    def time_left(self) -> float:
        """Return what is left of its seconds."""
        return self.deadline


class World:
    """An upstream that answers when it is told to, behind `connections` for calls of one kind.

    By default two are for that kind: reads leave one of three. Its calls may be `still`.
    """

    def __init__(
        self,
        *,
        for_write: bool,
        connections: int | None = None,
        seconds: float = 10,
        still: bool = False,
    ) -> None:
        self._under_way: list[Call] = []
        self.most = 0
        self.answer = asyncio.Event()
        self.limiter = ConnectionLimiter(connections or (2 if for_write else 3))
        self.send: Send = with_connection(self.limiter, self._send)
        self._for_write = for_write
        self._seconds = seconds
        self._still = still

    @property
    def under_way(self) -> int:
        """The number of calls being answered."""
        return len(self._under_way)

    @property
    def reads_under_way(self) -> int:
        """The number of reads among them."""
        return sum(not call.for_write for call in self._under_way)

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

    def call(
        self, on_sent: Callable[[], None] | None = None, *, for_write: bool | None = None
    ) -> asyncio.Future[Reply]:
        """Start a call, of the usual kind unless another is given."""
        made, deadline = Call, deadline_in(self._seconds)
        if self._still:
            made, deadline = StillCall, self._seconds
        call = made("GET", "/", deadline, on_sent=on_sent)
        call.for_write = self._for_write if for_write is None else for_write
        return asyncio.ensure_future(self.send(call))


def histories(*steps: str) -> st.SearchStrategy[list[tuple[str, int]]]:
    """Return lists of steps, each with a number that chooses a call."""
    return st.lists(st.tuples(st.sampled_from(steps), st.integers(0, 59)), max_size=60)


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@KINDS
def test_the_rest_wait_in_order(*, for_write: bool) -> None:
    """No more calls run than there are permits, and every call is served in the end."""

    async def run() -> None:
        world = World(for_write=for_write)
        calls = [world.call() for _ in range(50)]
        await _settle()
        assert world.under_way == 2
        world.answer.set()
        assert await asyncio.gather(*calls) == [FINE] * 50
        assert world.most == 2

    asyncio.run(run())


@KINDS
def test_waiting_has_an_end(*, for_write: bool) -> None:
    """After most of its time a call without a permit is refused; those under way go on."""

    async def run() -> None:
        world = World(for_write=for_write, seconds=0.1)
        under_way = [world.call(), world.call()]
        await _settle()
        with pytest.raises(NotAttempted, match="all connections are busy"):
            await world.call()
        world.answer.set()
        assert await asyncio.gather(*under_way) == [FINE, FINE]

    asyncio.run(run())


@KINDS
def test_a_call_that_would_wait_in_vain_is_refused_on_arrival(
    monkeypatch: pytest.MonkeyPatch, *, for_write: bool
) -> None:
    """If calls have taken 0.1 s lately, two permits serve fifteen more in 0.75 s, no more."""

    async def run() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: 0.0)  # only as told below
        world = World(for_write=for_write, seconds=1)
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


@KINDS
def test_on_sent_is_called_once_a_call_has_its_permit(*, for_write: bool) -> None:
    """A call that is given up before has sent nothing."""

    async def run() -> None:
        world, sent = World(for_write=for_write), list[int]()
        calls = [world.call(partial(sent.append, number)) for number in range(3)]
        await _settle()
        assert sent == [0, 1]
        world.answer.set()
        await asyncio.gather(*calls)
        assert sent == [0, 1, 2]

    asyncio.run(run())


@KINDS
@given(steps=histories("call", "cancel", "answer", "pass"))
def test_permits_add_up(*, steps: list[tuple[str, int]], for_write: bool) -> None:
    """In any order of calls and cancellations at most two run, and both permits come back."""

    async def run() -> None:
        world = World(for_write=for_write)
        calls: list[asyncio.Future[Reply]] = []
        for step, number in steps:
            if step == "call":
                calls.append(world.call())
            elif step == "cancel" and calls:
                calls[number % len(calls)].cancel()
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


@KINDS
def test_no_permit_is_lost_to_cancelled_calls(*, for_write: bool) -> None:
    """Calls cancelled while they wait or run leave as many permits as before."""

    async def run() -> None:
        world = World(for_write=for_write)
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


@KINDS
def test_active_and_waiting_calls_are_counted(*, for_write: bool) -> None:
    """The numbers are right at each moment, and zero in the end."""

    async def run() -> None:
        world = World(for_write=for_write)
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


@pytest.mark.parametrize(
    ("connections", "reads"), [(1, 1), (2, 1), (3, 2), (19, 18), (20, 18), (100, 90)]
)
async def test_reads_leave_connections_for_writes(connections: int, reads: int) -> None:
    """Reads take all connections but a tenth, and at least one is left if there are two."""
    world = World(for_write=False, connections=connections)
    calls = [world.call() for _ in range(connections + 5)]
    await _settle()
    assert world.under_way == reads
    writes = [world.call(for_write=True) for _ in range(connections - reads)]
    await _settle()
    assert world.under_way == connections
    assert world.limiter.waiting == connections + 5 - reads
    world.answer.set()
    await asyncio.gather(*calls, *writes)
    assert world.most == connections


async def test_writes_may_take_every_connection() -> None:
    """Without reads, writes use all connections, and a read waits for one of them."""
    world = World(for_write=True, connections=10)
    writes = [world.call() for _ in range(10)]
    await _settle()
    read = world.call(for_write=False)
    await _settle()
    assert (world.under_way, world.limiter.waiting) == (10, 1)
    world.answer.set()
    await asyncio.gather(*writes, read)


async def test_a_write_is_not_refused_for_the_reads_that_wait() -> None:
    """Reads of an hour each wait in numbers, and some are refused; each write is let in."""
    world = World(for_write=False, connections=10, seconds=7200, still=True)
    for _ in range(60):  # until the mean of reads has settled
        call = world.call()
        await _settle()
        world.pass_time(3600)
        world.answer.set()
        await call
        world.answer.clear()
    reads = [world.call() for _ in range(40)]
    await _settle()
    refused = [call for call in reads if call.done()]
    assert 17 <= len(refused) <= 18  # nine under way; thirteen that wait 1.5 hours at most
    writes = [world.call(for_write=True) for _ in range(5)]
    await _settle()
    assert not [call for call in writes if call.done()]
    world.answer.set()
    await asyncio.gather(*writes)
    await asyncio.gather(*reads, return_exceptions=True)


@given(histories("read", "write", "cancel", "answer", "pass"))
async def test_permits_of_both_kinds_add_up(steps: list[tuple[str, int]]) -> None:
    """In any order, reads and writes leave all connections free, and reads never had the last."""
    world = World(for_write=False, connections=4)
    calls: list[asyncio.Future[Reply]] = []
    for step, number in steps:
        if step in {"read", "write"}:
            calls.append(world.call(for_write=step == "write"))
        elif step == "cancel" and calls:
            calls[number % len(calls)].cancel()
        elif step == "answer":
            world.answer.set()
            world.answer.clear()
        else:
            await asyncio.sleep(0)
        assert world.under_way <= 4
        assert world.reads_under_way <= 3
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert (world.limiter.active, world.limiter.waiting) == (0, 0)
    last = [*(world.call() for _ in range(3)), world.call(for_write=True)]
    await _settle()
    assert world.under_way == 4
    world.answer.set()
    await asyncio.gather(*last)
