"""SingleFlight: sharing, abandoned calls, forgotten calls, and no garbage."""

import asyncio
import gc
from collections.abc import Callable

import pytest

from gateway.single_flight import SingleFlight
from tests.fakes.tasks import settle


class Calls:
    """Calls that wait for `sending` and then for `answering`, and return their number."""

    def __init__(self) -> None:
        self.flights: SingleFlight[int] = SingleFlight()
        self.begun = 0
        self.sent = 0
        self.current: list[bool] = []
        self.error: Exception | None = None
        self.sending = asyncio.Event()
        self.answering = asyncio.Event()

    async def __call__(self, on_sent: Callable[[], None]) -> int:
        """Make one call."""
        self.begun += 1
        number = self.begun
        await self.sending.wait()
        on_sent()
        self.sent += 1
        await self.answering.wait()
        self.current.append(self.flights.is_current("a"))
        if self.error is not None:
            raise self.error
        return number

    def join(self, count: int = 1) -> list[asyncio.Task[int]]:
        """Start so many callers."""
        return [asyncio.create_task(self.flights.join("a", self)) for _ in range(count)]

    async def finish(self) -> None:
        """Let every call end."""
        self.sending.set()
        self.answering.set()
        await settle()


async def test_callers_share_a_call() -> None:
    """Concurrent callers of a key get the result of one call, and a later caller its own."""
    calls = Calls()
    callers = calls.join(10)
    await settle()
    assert "a" in calls.flights
    assert "b" not in calls.flights
    await calls.finish()
    assert await asyncio.gather(*callers) == [1] * 10
    assert "a" not in calls.flights
    assert await calls.flights.join("a", calls) == 2
    assert calls.current == [True, True]


async def test_callers_share_an_error() -> None:
    """All callers get the error of the one call."""
    calls = Calls()
    calls.error = ValueError()
    callers = calls.join(10)
    await calls.finish()
    ended = await asyncio.gather(*callers, return_exceptions=True)
    assert {id(each) for each in ended} == {id(calls.error)}


async def test_the_first_caller_may_be_cancelled() -> None:
    """A call goes on as long as one caller waits for it."""
    calls = Calls()
    first, second, last = calls.join(3)
    await settle()
    first.cancel()
    second.cancel()
    await calls.finish()
    assert await last == 1
    assert first.cancelled()


async def test_a_call_that_nobody_waits_for_is_cancelled() -> None:
    """A call whose callers have left before it was sent is dropped, and the next one starts."""
    calls = Calls()
    callers = calls.join(3)
    await settle()
    for caller in callers:
        caller.cancel()
    await settle()
    assert "a" not in calls.flights
    (late,) = calls.join()
    await calls.finish()
    assert await late == 2
    assert calls.sent == 1


async def test_a_call_that_was_sent_is_not_cancelled() -> None:
    """A call that was sent ends without callers, and a new caller can join it until then."""
    calls = Calls()
    calls.sending.set()
    (caller,) = calls.join()
    await settle()
    caller.cancel()
    await settle()
    (late,) = calls.join()
    await calls.finish()
    assert await late == 1


async def test_a_call_in_the_background_is_not_cancelled() -> None:
    """A started call goes on though nobody waits for it, or somebody did for a while."""
    calls = Calls()
    calls.flights.start("a", calls)
    calls.flights.start("a", calls)
    (passer_by,) = calls.join()
    await settle()
    passer_by.cancel()
    await calls.finish()
    assert calls.begun == calls.sent == 1


async def test_a_forgotten_call_still_answers() -> None:
    """After `forget` the old call answers its callers and is not current; a new one starts."""
    calls = Calls()
    (old,) = calls.join()
    await settle()
    calls.flights.forget("a")
    (new,) = calls.join()
    await calls.finish()
    assert (await old, await new) == (1, 2)
    assert calls.current == [False, True]


async def test_a_failure_in_the_background_is_silent() -> None:
    """The event loop does not complain of an error that nobody waits for."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    calls = Calls()
    calls.error = ValueError()
    calls.flights.start("a", calls)
    await calls.finish()
    gc.collect()
    assert complaints == []


async def test_closing_waits_for_every_call() -> None:
    """`aclose` returns once current, forgotten and background calls have ended."""
    calls = Calls()
    calls.flights.start("a", calls)
    calls.flights.forget("a")
    calls.flights.start("a", calls)
    closing = asyncio.create_task(calls.flights.aclose())
    await settle()
    assert not closing.done()
    await calls.finish()
    await closing
    assert calls.sent == 2


@pytest.mark.parametrize("error", [None, ValueError("failed")])
async def test_no_reference_cycle_is_left(error: Exception | None) -> None:
    """A call that has ended, well or not, leaves nothing for the garbage collector."""
    calls = Calls()
    calls.error = error
    await calls.finish()
    gc.collect()
    gc.disable()
    try:
        try:
            await calls.flights.join("a", calls)
        except ValueError:
            assert error is not None
        await settle()
        assert not [each for each in gc.get_objects() if type(each).__name__ == "_Flight"]
    finally:
        gc.enable()
