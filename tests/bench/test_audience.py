"""What a large audience needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.audience import CALLS_OF_A_MISS, Audience, Costs

MILLION = Audience(viewers=1_000_000, rooms=1_000)


def test_viewers_who_poll_are_reads_per_second() -> None:
    """A million who poll every two seconds are half a million reads per second."""
    assert MILLION.reads == 500_000
    free = Costs(local=50, shared=50, missed=50)
    assert MILLION.processes(free, 1) == 25
    assert MILLION.processes(free, 0.6) == 42


def test_a_miss_costs_more_than_a_hit() -> None:
    """Many rooms take more processes than few, as more of the reads are misses."""
    costs = Costs(local=50, shared=100, missed=900)
    few, many = (Audience(1_000_000, rooms).processes(costs, 0.6) for rooms in (100, 50_000))
    assert few == 42
    assert many > few + 25_000 * 850e-6


def test_a_room_goes_upstream_once_per_ttl() -> None:
    """However many watch; one that is seldom read goes upstream at each read."""
    assert MILLION.upstream_reads == pytest.approx(500, rel=0.01)
    assert Audience(viewers=2, rooms=1_000).upstream_reads == pytest.approx(1, rel=0.01)


def test_one_process_makes_the_calls_of_a_miss() -> None:
    """It learns nothing from others."""
    assert MILLION.store_calls(1) == pytest.approx(CALLS_OF_A_MISS * MILLION.upstream_reads)


def test_each_further_process_learns_what_its_viewers_read() -> None:
    """All rooms if they have many viewers, few of them if they have few."""
    assert MILLION.store_calls(42) == pytest.approx((4 + 41) * MILLION.upstream_reads, rel=1e-6)
    two_viewers = Audience(viewers=2_000, rooms=1_000)
    assert two_viewers.store_calls(1_000) < (4 + 2) * two_viewers.upstream_reads


@given(st.integers(1, 10**7), st.integers(1, 10**5), st.integers(1, 200))
def test_the_store_is_asked_less_than_the_gateways(
    viewers: int, rooms: int, processes: int
) -> None:
    """A read costs at most the calls of a miss; more processes never cost fewer calls."""
    audience = Audience(viewers, rooms)
    calls = audience.store_calls(processes)
    assert calls <= CALLS_OF_A_MISS * audience.reads * 1.001
    assert calls <= audience.store_calls(processes + 1) * 1.001
