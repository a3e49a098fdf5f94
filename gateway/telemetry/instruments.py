"""Counter, gauge and histogram, each over the numbers of one worker.

Label values are given in the order in which the family lists its labels.
"""

from bisect import bisect_left

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
