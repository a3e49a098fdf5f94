"""What has been counted, for tests."""

from gateway.telemetry import Family, SharedMetrics

Series = dict[tuple[str, ...], tuple[float, ...]]


def nonzero_series(block: SharedMetrics, family: Family) -> Series:
    """Return the series of `family` that are not all zero, by their labels."""
    return {labels: numbers for labels, numbers in block.series(family).items() if any(numbers)}


def nonzero(block: SharedMetrics, family: Family) -> dict[tuple[str, ...], float]:
    """Return the values of a counter or gauge that are not zero, by their labels."""
    return {labels: value for labels, (value,) in nonzero_series(block, family).items()}
