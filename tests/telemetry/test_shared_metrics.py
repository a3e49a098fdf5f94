"""Metrics of a worker, counted into memory that another process reads."""

import multiprocessing
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry import DeclaredMetrics, SharedMetrics, counter, families, gauge, histogram
from tests.telemetry.counts import nonzero, nonzero_series


class Metrics(DeclaredMetrics):
    """One metric of each kind, with and without labels."""

    requests = counter("requests_total", ".", method=("GET", "other"), status=("200", "other"))
    lookups = counter("lookups_total", ".", result=("hit", "miss"))
    replays = counter("replays_total", ".")
    cached = gauge("rooms", ".", kind=("known", "unknown"))
    duration = histogram("call_seconds", ".", (0.5, 1.0), operation=("read", "create"))
    lag = histogram("lag_seconds", ".", (0.001, 0.01, 0.1, 1.0))


def test_declaration() -> None:
    """A class has the families in its order, an instance the instruments, each always the same."""
    assert [each.name.split("_")[0] for each in families(Metrics)] == [
        *("requests", "lookups", "replays", "rooms", "call", "lag")
    ]
    metrics = Metrics()
    assert metrics.lookups is metrics.lookups
    assert Metrics().lookups is not metrics.lookups


def test_a_counter_counts_by_its_labels() -> None:
    """Each combination of label values has its own count."""
    metrics = Metrics()
    for _ in range(3):
        metrics.lookups.inc("hit")
    metrics.lookups.inc("miss")
    assert nonzero(metrics.shared, Metrics.lookups) == {("hit",): 3, ("miss",): 1}


@given(st.lists(st.floats(0, 100)))
def test_bound_labels_count_as_given_ones(seconds: list[float]) -> None:
    """A function bound to labels counts the same, and into the same place."""
    given_each, bound = Metrics(), Metrics()
    count, observe = bound.lookups.bound("hit"), bound.duration.bound("read")
    for each in seconds:
        given_each.lookups.inc("hit")
        given_each.duration.observe(each, "read")
        count()
        observe(each)
    for family in families(Metrics):
        assert bound.shared.series(family) == given_each.shared.series(family)


def test_a_gauge_shows_the_last_value() -> None:
    """A gauge is set, not added to."""
    metrics = Metrics()
    for value in (7, 0, 2):
        metrics.cached.set(value, "known")
    assert nonzero(metrics.shared, Metrics.cached) == {("known",): 2}


@given(st.lists(st.floats(0, 100), min_size=1))
def test_a_histogram_counts_each_value_once(seconds: list[float]) -> None:
    """A value counts in the bucket of the least bound not below it; the sum is of all values."""
    metrics = Metrics()
    for each in seconds:
        metrics.lag.observe(each)
    total, *counts = metrics.shared.series(Metrics.lag)[()]
    assert total == pytest.approx(sum(seconds))
    bounds = (*Metrics.lag.bounds, float("inf"))
    least = [min(bound for bound in bounds if each <= bound) for each in seconds]
    assert counts == [least.count(bound) for bound in bounds]


@pytest.mark.parametrize(
    ("labels", "counted"),
    [
        (("GET", "200"), ("GET", "200")),
        (("BREW", "418"), ("other", "other")),
        (("GET", "418"), ("GET", "other")),
    ],
)
def test_an_unlisted_value_counts_as_other(
    labels: tuple[str, ...], counted: tuple[str, ...]
) -> None:
    """A made-up method or status adds no series."""
    metrics = Metrics()
    metrics.requests.inc(*labels)
    assert nonzero(metrics.shared, Metrics.requests) == {counted: 1}
    assert len(metrics.shared.series(Metrics.requests)) == len(Metrics.requests.series)


@pytest.mark.parametrize("labels", [("somewhere",), (), ("hit", "hit")])
def test_wrong_labels_are_a_bug(labels: tuple[str, ...]) -> None:
    """Without `other` an unlisted value raises, and so does a wrong number of labels."""
    with pytest.raises((KeyError, ValueError)):
        Metrics().lookups.inc(*labels)


@given(st.lists(st.sampled_from(range(6))))
def test_instruments_do_not_touch_each_other(chosen: list[int]) -> None:
    """Counting with one instrument changes no other's numbers."""
    metrics = Metrics()
    acts = (
        lambda: metrics.requests.inc("GET", "200"),
        lambda: metrics.lookups.inc("miss"),
        metrics.replays.inc,
        lambda: metrics.duration.observe(99, "read"),
        lambda: metrics.duration.observe(0, "create"),
        lambda: metrics.lag.observe(2),
    )
    for each in chosen:
        acts[each]()
    calls = metrics.shared.series(Metrics.duration)
    seen = [
        sum(nonzero(metrics.shared, Metrics.requests).values()),
        sum(nonzero(metrics.shared, Metrics.lookups).values()),
        sum(nonzero(metrics.shared, Metrics.replays).values()),
        sum(calls["read",][1:]),
        sum(calls["create",][1:]),
        sum(sum(each[1:]) for each in nonzero_series(metrics.shared, Metrics.lag).values()),
    ]
    assert seen == [chosen.count(each) for each in range(6)]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_another_process_counts_into_the_same_memory(method: str) -> None:
    """The counts of a killed process stay, however it was started."""
    shared = SharedMetrics(families(Metrics))
    context: Any = multiprocessing.get_context(method)
    child = context.Process(target=_count_and_die, args=(shared,))
    child.start()
    pid = child.pid
    child.join()
    assert nonzero(shared, Metrics.replays) == {(): 1000}
    assert pid is not None
    assert shared.pid is None


def _count_and_die(shared: SharedMetrics) -> None:
    shared.begin()
    metrics = Metrics(shared)
    for _ in range(1000):
        metrics.replays.inc()
    os.kill(os.getpid(), 9)


def test_a_new_process_goes_on_with_the_counters() -> None:
    """Counters never go back; a replacement begins its gauges at zero."""
    metrics = Metrics()
    metrics.shared.begin()
    metrics.replays.inc()
    metrics.cached.set(5, "known")
    metrics.shared.begin()
    assert nonzero(metrics.shared, Metrics.replays) == {(): 1}
    assert nonzero(metrics.shared, Metrics.cached) == {}
    assert metrics.shared.pid == os.getpid()


def test_an_ended_worker_leaves_its_counts_only() -> None:
    """After a worker's end its process id and its heartbeat are gone, its counts stay."""
    metrics = Metrics()
    metrics.shared.begin()
    metrics.shared.beat(17.5)
    metrics.replays.inc()
    assert metrics.shared.last_beat == 17.5
    metrics.shared.vacate()
    assert (metrics.shared.pid, metrics.shared.last_beat) == (None, 0)
    assert nonzero(metrics.shared, Metrics.replays) == {(): 1}
