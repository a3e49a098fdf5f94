"""Deadlines of operations, and looking again before them."""

import asyncio
from collections.abc import Iterator

import pytest

from gateway.rooms import Patience
from tests.fakes.clock import Clock


class Looks:
    """Looks that see `outcomes` in turn, then nothing; `times` has the moment of each."""

    def __init__(self, clock: Clock, *outcomes: str | None) -> None:
        self._clock = clock
        self._outcomes: Iterator[str | None] = iter(outcomes)
        self.times: list[float] = []

    async def __call__(self) -> str | None:
        """Look."""
        self.times.append(self._clock.now - 1000)
        return next(self._outcomes, None)


def patience(clock: Clock, seconds: float = 3) -> Patience:
    """Return patience on this clock."""
    return Patience(seconds, clock=clock, sleep=clock.sleep)


async def test_pauses_grow_and_end_before_the_deadline() -> None:
    """The first look comes after a moment, the last shortly before the deadline, none after it."""
    clock = Clock()
    looks = Looks(clock)
    assert await patience(clock).start().retry(looks) is None
    assert looks.times[0] == pytest.approx(0.1)
    pauses = [later - sooner for sooner, later in zip(looks.times, looks.times[1:], strict=False)]
    assert len(pauses) >= 4
    assert pauses == sorted(pauses)
    assert 2.5 <= looks.times[-1] < 3


async def test_what_is_seen_ends_it() -> None:
    """Anything but None is returned at once, False too."""
    clock = Clock()
    looks = Looks(clock, None, "seen", "again")
    assert await patience(clock).start().retry(looks) == "seen"
    assert len(looks.times) == 2

    async def no() -> bool | None:
        return False

    assert await patience(clock).start().retry(no) is False


@pytest.mark.parametrize("at_most", [0, 1, 2])
async def test_looks_can_be_limited(at_most: int) -> None:
    """No more looks are made than were asked for."""
    clock = Clock()
    looks = Looks(clock)
    assert await patience(clock).start().retry(looks, at_most=at_most) is None
    assert len(looks.times) == at_most


async def test_time_that_has_passed_counts() -> None:
    """The deadline is the operation's: what came before leaves less time to look."""
    clock = Clock()
    deadline = patience(clock).start()
    clock.now += 2.95
    looks = Looks(clock)
    assert await deadline.retry(looks) is None
    assert looks.times == []
    assert deadline.left() == pytest.approx(0.05)


async def test_a_look_that_hangs_is_cut_at_the_deadline() -> None:
    """A look without an answer does not outlive the deadline."""
    clock = Clock()
    deadline = patience(clock, 0.12).start()
    ended = []

    async def hang() -> bool | None:
        try:
            return await asyncio.Event().wait()
        finally:
            ended.append(True)

    assert await deadline.retry(hang) is None
    assert ended == [True]
