import random

import pytest
from msgspec import structs

from tests.bench.results import Row
from tests.bench.verdicts import at_rest, is_back, worker_rows
from tests.bench.watched import Moment

REST = Moment(0, 80_000_000, 26, 4, 1, 0, [0.001], 0.001, [], coroutines=16)


def busy(megabytes_an_hour: float, seconds: int = 7200) -> list[Moment]:
    """Return the samples of a run with rising and noisy memory."""
    chance = random.Random(3)  # noqa: S311  # the same run each time
    return [
        Moment(
            float(at),
            80_000_000 + round(megabytes_an_hour * 1e6 * at / 3600 + chance.gauss(0, 2e5)),
            120,
            30,
            at,
            10,
            [0.001],
            0.002,
            [],
        )
        for at in range(seconds)
    ]


def judged(after: Moment, moments: list[Moment]) -> list[Row]:
    """Return the rows that missed their bound."""
    return [row for row in worker_rows("", REST, moments, after, warm_up=120) if not row.reached]


def test_a_worker_that_is_well_misses_nothing() -> None:
    """A worker with flat memory, back at its baseline, misses no bound."""
    assert judged(REST, busy(0)) == []


@pytest.mark.parametrize("field", ["descriptors", "tasks", "in_flight", "coroutines"])
def test_one_too_many_at_rest_is_found(field: str) -> None:
    """A resource that is not given back misses its bound."""
    held = getattr(REST, field) + 1
    after = structs.replace(REST, **{field: held})
    (row,) = judged(after, busy(0))
    assert row.figure == str(held)


def test_a_rise_of_memory_is_found() -> None:
    """Two hours of samples tell a rise of 2 MB/h from an allowed one of half."""
    (row,) = judged(REST, busy(2))
    assert "memory slope" in row.row
    assert judged(REST, busy(0.5)) == []


def test_a_short_run_decides_nothing() -> None:
    """Ten minutes of samples cannot decide on 2 MB/h, and the row says so."""
    rows = list(worker_rows("", REST, busy(2, 600), REST, warm_up=300))
    assert all(row.reached for row in rows)
    assert "undecided" in rows[0].detail


def test_a_blocked_loop_is_found() -> None:
    """One block of 60 ms in two hours misses the bound."""
    moments = busy(0)
    moments[3000].blocked = 0.06
    (row,) = judged(REST, moments)
    assert row.figure == "60.0 ms"


def test_rest_is_told_by_a_moment_in_which_all_was_counted() -> None:
    """Rest is judged by the last complete sample, or else by the last."""
    counted, not_counted = structs.replace(REST, tasks=5), structs.replace(REST, coroutines=None)
    found = at_rest([REST, counted, not_counted])
    assert (found.tasks, found.lags) == (5, [0.001] * 3)
    assert at_rest([not_counted]).coroutines is None


def test_back_is_no_more_than_before() -> None:
    """A worker is back with no more descriptors and tasks than before."""
    assert is_back(REST, structs.replace(REST, descriptors=20, tasks=3))
    assert not is_back(REST, structs.replace(REST, descriptors=27))
    assert not is_back(REST, structs.replace(REST, tasks=5))
