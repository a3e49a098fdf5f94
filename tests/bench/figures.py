"""Statistics for the figures. Pure."""

import statistics
from collections.abc import Sequence
from itertools import pairwise
from math import ceil, sqrt

from msgspec import Struct

_MEMORY = 0.99
"""The highest correlation assumed between neighbouring residuals."""


class Slope(Struct, frozen=True):
    """A rise per unit of x, and its standard error."""

    rise: float
    error: float

    def is_over(self, limit: float) -> bool:
        """Return true if the rise is above `limit` by two standard errors."""
        return self.rise - 2 * self.error > limit

    def is_under(self, limit: float) -> bool:
        """Return true if the rise is below `limit` by two standard errors."""
        return self.rise + 2 * self.error < limit


def slope(points: Sequence[tuple[float, float]]) -> Slope:
    """Return the least-squares slope through at least three (x, y).

    Memory grows in steps, so neighbouring samples are correlated and the textbook's error is far
    too small. It is multiplied by sqrt((1 + r) / (1 - r)), with r the lag-1 correlation of the
    residuals.
    """
    xs, ys = zip(*points, strict=True)
    rise, start = statistics.linear_regression(xs, ys)
    residuals = [y - start - rise * x for x, y in points]
    squares = sum(each * each for each in residuals)
    if not squares:
        return Slope(rise, 0.0)
    products = sum(a * b for a, b in pairwise(residuals))
    carried = min(max(products / squares, 0.0), _MEMORY)
    middle = statistics.fmean(xs)
    spread = sum((x - middle) ** 2 for x in xs)
    error = sqrt(squares / (len(points) - 2) / spread) * sqrt((1 + carried) / (1 - carried))
    return Slope(rise, error)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest of `values` not exceeded by `percent` of them; 0 for none."""
    if not values:
        return 0.0
    return sorted(values)[max(0, ceil(len(values) * percent / 100) - 1)]


def milliseconds(seconds: Sequence[float]) -> str:
    """Return `p50 / p99 / max` of durations in seconds, in milliseconds."""
    low, high = percentile(seconds, 50), percentile(seconds, 99)
    return f"{low * 1000:.1f} / {high * 1000:.1f} / {max(seconds, default=0.0) * 1000:.1f} ms"
