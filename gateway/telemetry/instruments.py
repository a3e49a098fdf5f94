"""What counts: a counter, a gauge, a histogram, each over the numbers of a block.

Labels are given as their values, in the order of the family's.
"""

from bisect import bisect_left

from .families import Family
from .shared_metrics import SharedMetrics


class Counter:
    """Counts up."""

    __slots__ = ("_numbers", "_places")

    def __init__(self, block: SharedMetrics, family: Family) -> None:
        self._numbers = block.numbers
        self._places = block.places(family)

    def inc(self, *labels: str) -> None:
        """Count one more."""
        self._numbers[self._places[labels]] += 1


class Gauge:
    """Shows how much there is."""

    __slots__ = ("_numbers", "_places")

    def __init__(self, block: SharedMetrics, family: Family) -> None:
        self._numbers = block.numbers
        self._places = block.places(family)

    def set(self, value: float, *labels: str) -> None:
        """Show `value` from now on."""
        self._numbers[self._places[labels]] = value


class Histogram:
    """Counts values by size."""

    __slots__ = ("_bounds", "_numbers", "_places")

    def __init__(self, block: SharedMetrics, family: Family) -> None:
        self._numbers = block.numbers
        self._places = block.places(family)
        self._bounds = family.bounds

    def observe(self, value: float, *labels: str) -> None:
        """Count a value, in the family's unit."""
        at = self._places[labels]
        self._numbers[at] += value
        self._numbers[at + 1 + bisect_left(self._bounds, value)] += 1
