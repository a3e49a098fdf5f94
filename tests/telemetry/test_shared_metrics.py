"""What a worker counts, and who can see it."""

import multiprocessing
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry import Metrics, SharedMetrics, families
from tests.telemetry.counts import nonzero, nonzero_series


def test_a_counter_counts_by_its_labels() -> None:
    """Each series for itself."""
    block = SharedMetrics()
    metrics = Metrics(block)
    for _ in range(3):
        metrics.lookups.inc("hit")
    metrics.lookups.inc("miss")
    assert nonzero(block, families.LOOKUPS) == {("hit",): 3, ("miss",): 1}


def test_a_gauge_shows_the_last_value() -> None:
    """It is set, not added to."""
    block = SharedMetrics()
    metrics = Metrics(block)
    for value in (7, 0, 2):
        metrics.cached.set(value, "known")
    assert nonzero(block, families.CACHED) == {("known",): 2}


@given(st.lists(st.floats(0, 100), min_size=1))
def test_a_histogram_counts_each_value_once(seconds: list[float]) -> None:
    """In the bucket of the least bound that is not below it; the sum is that of all."""
    block = SharedMetrics()
    metrics = Metrics(block)
    for each in seconds:
        metrics.loop_lag.observe(each)
    total, *counts = block.series(families.LOOP_LAG)[()]
    assert total == pytest.approx(sum(seconds))
    bounds = (*families.LOOP_LAG.bounds, float("inf"))
    least = [min(bound for bound in bounds if each <= bound) for each in seconds]
    assert counts == [least.count(bound) for bound in bounds]


@pytest.mark.parametrize(
    ("given_labels", "counted"),
    [
        (("/v1/rooms", "GET", "200"), ("/v1/rooms", "GET", "200")),
        (("/v1/rooms", "BREW", "418"), ("/v1/rooms", "other", "other")),
        (("/new", "GET", "gone"), ("other", "GET", "gone")),
    ],
)
def test_an_unknown_value_counts_as_other(
    given_labels: tuple[str, ...], counted: tuple[str, ...]
) -> None:
    """Whatever a client sends as its method: there are no more series than before."""
    block = SharedMetrics()
    Metrics(block).http_requests.inc(*given_labels)
    assert nonzero(block, families.HTTP_REQUESTS) == {counted: 1}
    assert len(block.series(families.HTTP_REQUESTS)) == len(families.HTTP_REQUESTS.series)


def test_a_value_without_a_place_is_a_fault_of_ours() -> None:
    """Where all values are ours there is no `other` that could hide one which was left out."""
    with pytest.raises(KeyError):
        Metrics().lookups.inc("somewhere")


@given(st.lists(st.sampled_from(range(6))))
def test_instruments_do_not_touch_each_other(chosen: list[int]) -> None:
    """What one counts changes no other's numbers."""
    block = SharedMetrics()
    metrics = Metrics(block)
    acts = (
        lambda: metrics.http_requests.inc("/healthz", "GET", "200"),
        lambda: metrics.http_duration.observe(99, "other"),
        metrics.replays.inc,
        lambda: metrics.upstream_duration.observe(0, "create"),
        metrics.log_dropped.inc,
        metrics.worker_restarts.inc,
    )
    for each in chosen:
        acts[each]()
    seen = [
        sum(nonzero(block, families.HTTP_REQUESTS).values()),
        sum(sum(each[1:]) for each in nonzero_series(block, families.HTTP_DURATION).values()),
        sum(nonzero(block, families.REPLAYS).values()),
        sum(sum(each[1:]) for each in nonzero_series(block, families.UPSTREAM_DURATION).values()),
        sum(nonzero(block, families.LOG_DROPPED).values()),
        sum(nonzero(block, families.WORKER_RESTARTS).values()),
    ]
    assert seen == [chosen.count(each) for each in range(6)]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_another_process_counts_into_the_same_block(method: str) -> None:
    """What it counted is there, although it is killed and says no more; however it was started."""
    block = SharedMetrics()
    context: Any = multiprocessing.get_context(method)
    child = context.Process(target=_count_and_die, args=(block,))
    child.start()
    pid = child.pid
    child.join()
    assert nonzero(block, families.REPLAYS) == {(): 1000}
    assert pid is not None
    assert block.pid is None


def _count_and_die(block: SharedMetrics) -> None:
    block.begin()
    metrics = Metrics(block)
    for _ in range(1000):
        metrics.replays.inc()
    os.kill(os.getpid(), 9)


def test_a_new_process_goes_on_with_the_counters() -> None:
    """Counters never go back; gauges are the new process's own."""
    block = SharedMetrics()
    metrics = Metrics(block)
    assert not block.begin()
    metrics.replays.inc()
    metrics.cached.set(5, "known")
    assert block.begin()
    assert nonzero(block, families.REPLAYS) == {(): 1}
    assert nonzero(block, families.CACHED) == {}
    assert block.pid == os.getpid()
