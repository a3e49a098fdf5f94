"""A clock that stands still until a test moves it."""

import asyncio


class Clock:
    """Seconds that pass by hand."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    async def sleep(self, seconds: float) -> None:
        """Move on by `seconds`, and let other tasks run."""
        self.now += seconds
        await asyncio.sleep(0)

    def __call__(self) -> float:
        """Return the time."""
        return self.now
