"""The time that one operation may take, and the pauses before looking again."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

_FIRST_PAUSE = 0.1
_GROWTH = 1.5
_LONGEST_PAUSE = 0.5


class Deadline:
    """The end of one operation on `clock`, in seconds; `sleep` waits."""

    def __init__(
        self, end: float, clock: Callable[[], float], sleep: Callable[[float], Awaitable[object]]
    ) -> None:
        self._end = end
        self._clock = clock
        self._sleep = sleep

    def left(self) -> float:
        """Return the seconds until the end."""
        return self._end - self._clock()

    async def retry(
        self, look: Callable[[], Awaitable[T | None]], *, at_most: int | None = None
    ) -> T | None:
        """Pause and look, again and again, until `look` returns something.

        Pauses grow up to half a second, and all together fit the time. Returns None if the time, or
        `at_most` looks, did not suffice. A look that is under way at the end is cancelled.
        """
        pause, looks, pauses = _FIRST_PAUSE, 0, self.left()
        while pause < min(pauses, self.left()) and looks != at_most:
            await self._sleep(pause)
            pauses -= pause
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
            looks += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(self.left()):
                    seen = await look()
                if seen is not None:
                    return seen
        return None


class Patience:
    """The `seconds` that one operation may take."""

    def __init__(
        self,
        seconds: float,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._sleep = sleep

    def start(self) -> Deadline:
        """Return the deadline of an operation that begins now."""
        return Deadline(self._clock() + self.seconds, self._clock, self._sleep)
