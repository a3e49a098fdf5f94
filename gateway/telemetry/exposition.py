"""What Prometheus scrapes: the blocks of all workers, added up.

The supervisor answers, from memory that the workers write: so a scrape shows the same whichever
worker is busy, hung or just being replaced, and costs them nothing. Gauges are of workers that run;
what ended ones have counted stays.
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from types import MappingProxyType

from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from .families import FAMILIES, Family, Kind
from .shared_metrics import SharedMetrics

_Series = dict[tuple[str, ...], tuple[float, ...]]

WORKERS = "gateway_workers"
BUILD = "gateway_build_info"


class Exposition(Collector):
    """The metrics of the workers that write to `blocks`, of the gateway's `version`."""

    def __init__(self, blocks: Sequence[SharedMetrics], version: str) -> None:
        self._blocks = blocks
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """Give each family as it is now."""
        alive = [block for block in self._blocks if block.pid is not None]
        for family in FAMILIES:
            blocks = alive if family.kind is Kind.GAUGE else self._blocks
            yield _FORMS[family.kind](family, _sums(family, blocks))
        yield GaugeMetricFamily(WORKERS, "Workers that run.", len(alive))
        build = GaugeMetricFamily(BUILD, "What is running.", labels=("version", "python"))
        build.add_metric((self._version, platform.python_version()), 1)
        yield build
        yield from _processes(self._blocks)


def _sums(family: Family, blocks: Sequence[SharedMetrics]) -> _Series:
    each = [block.series(family) for block in blocks]
    summed = {
        labels: tuple(map(sum, zip(*(series[labels] for series in each), strict=True)))
        for labels in family.series
        if each
    }
    return {labels: sums for labels, sums in summed.items() if any(sums) or not family.sparse}


def _counter(family: Family, series: _Series) -> Metric:
    shown = CounterMetricFamily(family.name, family.about, labels=_names(family))
    for labels, (value,) in series.items():
        shown.add_metric(labels, value)
    return shown


def _gauge(family: Family, series: _Series) -> Metric:
    shown = GaugeMetricFamily(family.name, family.about, labels=_names(family))
    for labels, (value,) in series.items():
        shown.add_metric(labels, value)
    return shown


def _histogram(family: Family, series: _Series) -> Metric:
    shown = HistogramMetricFamily(family.name, family.about, labels=_names(family))
    bounds = [*map(floatToGoString, family.bounds), "+Inf"]
    for labels, (total, *counts) in series.items():
        shown.add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), total)
    return shown


_FORMS: MappingProxyType[Kind, Callable[[Family, _Series], Metric]] = MappingProxyType(
    {Kind.COUNTER: _counter, Kind.GAUGE: _gauge, Kind.HISTOGRAM: _histogram}
)


def _names(family: Family) -> list[str]:
    return [label.name for label in family.labels]


def _processes(blocks: Sequence[SharedMetrics]) -> Iterable[Metric]:
    """Return the standard figures of each worker's process."""
    shown: dict[str, Metric] = {}
    for number, block in enumerate(blocks, 1):
        pid = block.pid
        if pid is None:
            continue
        for metric in ProcessCollector(pid=partial(int, pid), registry=None).collect():
            whole = shown.setdefault(
                metric.name, Metric(metric.name, metric.documentation, metric.type)
            )
            for sample in metric.samples:
                whole.add_sample(sample.name, {"worker": str(number)}, sample.value)
    return shown.values()
