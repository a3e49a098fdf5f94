"""The metrics of all workers, added up for a scrape by Prometheus.

The supervisor answers from memory that the workers write. A scrape costs them nothing, and shows
the same while one is busy, hung or being replaced. Gauges count running workers only; the counters
of ended ones stay.
"""

import platform
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate

from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from .family import Family, Kind
from .shared_metrics import SharedMetrics

_Series = dict[tuple[str, ...], tuple[float, ...]]

WORKERS = "gateway_workers"
BUILD = "gateway_build_info"


class Exposition(Collector):
    """The metrics of `workers`, all with the same families, and the gateway's `version`."""

    def __init__(self, workers: Sequence[SharedMetrics], version: str) -> None:
        self._workers = workers
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """Yield each metric as it is now."""
        running = [worker for worker in self._workers if worker.pid is not None]
        for family in self._workers[0].families:
            workers = running if family.kind is Kind.GAUGE else self._workers
            yield _metric(family, _sums(family, workers))
        yield GaugeMetricFamily(WORKERS, "Running workers.", len(running))
        build = GaugeMetricFamily(BUILD, "The running version.", labels=("version", "python"))
        build.add_metric((self._version, platform.python_version()), 1)
        yield build
        yield from _processes(self._workers)


def _sums(family: Family, workers: Sequence[SharedMetrics]) -> _Series:
    each = [worker.series(family) for worker in workers]
    summed = {
        labels: tuple(map(sum, zip(*(series[labels] for series in each), strict=True)))
        for labels in family.series
        if each
    }
    return {labels: sums for labels, sums in summed.items() if any(sums) or not family.sparse}


def _metric(family: Family, series: _Series) -> Metric:
    names = [label.name for label in family.labels]
    if family.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(family.name, family.about, labels=names)
        bounds = [*map(floatToGoString, family.bounds), "+Inf"]
        for labels, (total, *counts) in series.items():
            buckets = list(zip(bounds, accumulate(counts), strict=True))
            histogram.add_metric(labels, buckets, total)
        return histogram
    form = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    metric = form(family.name, family.about, labels=names)
    for labels, (value,) in series.items():
        metric.add_metric(labels, value)
    return metric


def _processes(workers: Sequence[SharedMetrics]) -> Iterable[Metric]:
    """Return Prometheus' standard process metrics of each running worker."""
    metrics: dict[str, Metric] = {}
    for number, worker in enumerate(workers, 1):
        pid = worker.pid
        if pid is None:
            continue
        for metric in ProcessCollector(pid=partial(int, pid), registry=None).collect():
            whole = metrics.setdefault(
                metric.name, Metric(metric.name, metric.documentation, metric.type)
            )
            for sample in metric.samples:
                whole.add_sample(sample.name, {"worker": str(number)}, sample.value)
    return metrics.values()
