"""Metrics declared as class attributes, one statement each.

    class Metrics(DeclaredMetrics):
        lookups = counter("cache_lookups_total", "Room lookups.", result=("hit", "miss"))

`Metrics.lookups` is the `Family`, `Metrics(shared).lookups` the `Counter` over shared memory.
"""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar, overload

from .family import Family, Kind, Label
from .instruments import Counter, Gauge, Histogram
from .shared_metrics import SharedMetrics

T = TypeVar("T")


class DeclaredMetrics:
    """Instruments over `shared`, by default over memory of their own."""

    def __init__(self, shared: SharedMetrics | None = None) -> None:
        self.shared = shared or SharedMetrics(families(type(self)))


class Declaration(Generic[T]):
    """A class attribute that is a family, and on an instance the family's instrument."""

    def __init__(self, instrument: Callable[[SharedMetrics, Family], T], family: Family) -> None:
        self._instrument = instrument
        self.family = family

    def __set_name__(self, owner: type[DeclaredMetrics], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, metrics: None, owner: type[DeclaredMetrics]) -> Family: ...
    @overload
    def __get__(self, metrics: DeclaredMetrics, owner: type[DeclaredMetrics]) -> T: ...
    def __get__(self, metrics: DeclaredMetrics | None, owner: type[DeclaredMetrics]) -> Family | T:
        if metrics is None:
            return self.family
        instrument = self._instrument(metrics.shared, self.family)
        vars(metrics)[self._name] = instrument  # later look-ups find it there
        return instrument


def counter(
    name: str, about: str, *, sparse: bool = False, **labels: Iterable[str]
) -> Declaration[Counter]:
    """Declare a counter; `labels` list the values of each."""
    family = Family(name, Kind.COUNTER, about, _labels(labels), sparse=sparse)
    return Declaration(Counter, family)


def gauge(name: str, about: str, **labels: Iterable[str]) -> Declaration[Gauge]:
    """Declare a gauge; `labels` list the values of each."""
    return Declaration(Gauge, Family(name, Kind.GAUGE, about, _labels(labels)))


def histogram(
    name: str,
    about: str,
    bounds: tuple[float, ...],
    *,
    sparse: bool = False,
    **labels: Iterable[str],
) -> Declaration[Histogram]:
    """Declare a histogram with buckets up to each of `bounds`; `labels` list the values of each."""
    family = Family(name, Kind.HISTOGRAM, about, _labels(labels), bounds, sparse)
    return Declaration(Histogram, family)


def families(metrics: type[DeclaredMetrics]) -> tuple[Family, ...]:
    """Return the families that a class declares, in its order."""
    declared = (each for each in vars(metrics).values() if isinstance(each, Declaration))
    return tuple(each.family for each in declared)


def _labels(values: dict[str, Iterable[str]]) -> tuple[Label, ...]:
    return tuple(Label(name, tuple(each)) for name, each in values.items())
