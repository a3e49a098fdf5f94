"""Counter, gauge and histogram, each over the numbers of one worker.

Label values are given in the order in which the family lists its labels.
"""

from bisect import bisect_left
from collections.abc import Callable

from .family import Family
from .shared_metrics import SharedMetrics


class _Instrument:
    __slots__ = ("_numbers", "_offsets")

    def __init__(self, shared: SharedMetrics, family: Family) -> None:
        self._numbers = shared.numbers
        self._offsets = shared.offsets[family.name]


class Counter(_Instrument):
    """A number that only grows."""

    __slots__ = ()

    def inc(self, *labels: str) -> None:
        """Count one more."""
        self._numbers[self._offsets[labels]] += 1

    def bound(self, *labels: str) -> Callable[[], None]:
        """Return a function that counts one more of these labels, in half the time."""
        numbers, offset = self._numbers, self._offsets[labels]

        def inc() -> None:
            numbers[offset] += 1

        return inc


class Gauge(_Instrument):
    """A number that goes up and down."""

    __slots__ = ()

    def set(self, value: float, *labels: str) -> None:
        """Replace the value."""
        self._numbers[self._offsets[labels]] = value


class Histogram(_Instrument):
    """Counts of values by size, and their sum."""

    __slots__ = ("_bounds",)

    def __init__(self, shared: SharedMetrics, family: Family) -> None:
        super().__init__(shared, family)
        self._bounds = family.bounds

    def observe(self, value: float, *labels: str) -> None:
        """Count a value, in the family's unit."""
        offset = self._offsets[labels]
        self._numbers[offset] += value
        self._numbers[offset + 1 + bisect_left(self._bounds, value)] += 1

    def bound(self, *labels: str) -> Callable[[float], None]:
        """Return a function that counts a value of these labels, in two thirds of the time."""
        numbers, total, bounds = self._numbers, self._offsets[labels], self._bounds
        first = total + 1

        def observe(value: float) -> None:
            numbers[total] += value
            numbers[first + bisect_left(bounds, value)] += 1

        return observe
