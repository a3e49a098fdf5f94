import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.figures import Slope, milliseconds, percentile, slope


@given(
    st.floats(-1e3, 1e3),
    st.floats(-1e3, 1e3),
    st.lists(st.integers(0, 10_000), min_size=3, unique=True),
)
def test_a_straight_line_is_found(rise: float, start: float, xs: list[int]) -> None:
    """Points on a line give its slope with almost no error."""
    found = slope([(x, start + rise * x) for x in xs])
    assert found.rise == pytest.approx(rise, abs=1e-6)
    assert found.error < 1e-3


def test_the_error_tells_how_far_off_it_is() -> None:
    """The true slope of noisy lines is within two errors in about 19 of 20."""
    chance = random.Random(1)  # noqa: S311  # the same lines in each run
    near = 0
    for _ in range(300):
        found = slope([(x, 2 * x + chance.gauss(0, 30)) for x in range(50)])
        near += abs(found.rise - 2) <= 2 * found.error
    assert 270 <= near <= 297


def test_steps_make_it_less_certain() -> None:
    """The error is also right for correlated values, as memory has them."""
    chance = random.Random(2)  # noqa: S311  # the same lines in each run
    near = 0
    for _ in range(200):
        level, points = 0.0, []
        for x in range(300):
            level = 0.9 * level + chance.gauss(0, 10)
            points.append((float(x), level))
        found = slope(points)
        near += abs(found.rise) <= 2 * found.error
    assert near >= 176


@pytest.mark.parametrize(
    ("found", "over_and_under"),
    [
        (Slope(0.5, 0.1), (False, True)),
        (Slope(0.5, 0.3), (False, False)),
        (Slope(1.5, 0.2), (True, False)),
    ],
)
def test_a_limit_is_judged_by_two_errors(found: Slope, over_and_under: tuple[bool, bool]) -> None:
    """A rise is over or under a limit only by two standard errors."""
    assert (found.is_over(1), found.is_under(1)) == over_and_under


@given(st.lists(st.floats(0, 1e6), min_size=2), st.integers(1, 100))
def test_a_percentile_is_one_of_the_values(values: list[float], percent: int) -> None:
    """A percentile is the smallest value not exceeded by that share."""
    found = percentile(values, percent)
    share = len(values) * percent / 100
    assert found in values
    assert sum(each <= found for each in values) >= share
    assert sum(each < found for each in values) < share


def test_percentiles_of_a_hundred() -> None:
    """The percentiles of 1 to 100 are the numbers themselves."""
    values = [float(each) for each in range(100, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99)) == (50, 99)
    assert abs(percentile(values, 50) - statistics.median(values)) <= 1
    assert percentile([], 99) == 0


def test_durations_are_shown_in_milliseconds() -> None:
    """Durations are shown as p50, p99 and maximum in milliseconds."""
    assert milliseconds([0.001, 0.002, 0.0305]) == "2.0 / 30.5 / 30.5 ms"
