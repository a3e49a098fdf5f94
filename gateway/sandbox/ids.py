"""Ids of the simulated vendor."""

from collections.abc import Callable


class Ids:
    """Ids of 19 digits, always increasing: milliseconds, then a counter."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = 10**18

    def __call__(self) -> int:
        """Return a new id."""
        self._last = max(self._last + 1, int(self._clock() * 1000) << 20)
        return self._last
