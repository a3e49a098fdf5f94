"""Every metric that Prometheus has of a gateway, with labels and values, from the code itself."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from gateway.metrics import Metrics
from gateway.telemetry import Exposition, Family, Kind, families
from tests.telemetry.promql import Known, named_in

_TARGET = {"job": None, "instance": None}
"""Labels that Prometheus adds to everything it scrapes."""


def known_metrics() -> Known:
    """Return the metrics of a scrape, and `up`, added by Prometheus."""
    declared = {name: _labels(each) for each in families(Metrics) for name in _names(each)}
    return {"up": _TARGET, **dict(_of_the_supervisor(declared)), **declared}


def with_rules(known: Known, recorded: Iterable[tuple[str, str]], alerts: Iterable[str]) -> Known:
    """Return `known` with what rules make: (name, expression) of those recorded, and `ALERTS`."""
    made = {name: dict.fromkeys(named_in(expression).grouping) for name, expression in recorded}
    states = frozenset({"pending", "firing"})
    labels = dict.fromkeys(("job", "instance", "severity", "operation"))
    return {
        **known,
        **made,
        "ALERTS": {**labels, "alertname": frozenset(alerts), "alertstate": states},
    }


def _of_the_supervisor(declared: Known) -> Iterator[tuple[str, dict[str, None]]]:
    metrics = Metrics()
    metrics.shared.begin()
    labels: dict[str, set[str]] = defaultdict(set)
    for metric in Exposition([metrics.shared], "0").collect():
        for sample in metric.samples:
            labels[sample.name].update(sample.labels)
    for name, own in labels.items():
        if name not in declared:
            yield name, {**_TARGET, **dict.fromkeys(own)}


def _names(family: Family) -> tuple[str, ...]:
    if family.kind is Kind.HISTOGRAM:
        return tuple(f"{family.name}_{part}" for part in ("bucket", "sum", "count"))
    return (family.name,)


def _labels(family: Family) -> dict[str, frozenset[str] | None]:
    labels = {label.name: frozenset(label.values) for label in family.labels}
    histogram = {"le": None} if family.kind is Kind.HISTOGRAM else {}
    return {**_TARGET, **labels, **histogram}
