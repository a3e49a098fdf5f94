"""Counted values, for tests."""

from gateway.telemetry import Family, SharedMetrics

Series = dict[tuple[str, ...], tuple[float, ...]]


def nonzero_series(shared: SharedMetrics, family: Family) -> Series:
    """Return the series of `family` that are not all zero, by their labels."""
    return {labels: numbers for labels, numbers in shared.series(family).items() if any(numbers)}


def nonzero(shared: SharedMetrics, family: Family) -> dict[tuple[str, ...], float]:
    """Return the values of a counter or gauge that are not zero, by their labels."""
    return {labels: value for labels, (value,) in nonzero_series(shared, family).items()}
