"""The description of one metric: name, kind, meaning, labels with all their values."""

from enum import StrEnum
from itertools import product

from msgspec import Struct

OTHER = "other"
"""The label value that counts whatever is not listed."""

UNMATCHED = "unmatched"
"""The route of a request refused before routing, or with no such path or method."""


class Kind(StrEnum):
    """The type of a metric, as Prometheus names it."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


class Label(Struct, frozen=True):
    """A label and all its values."""

    name: str
    values: tuple[str, ...]


class Family(Struct, frozen=True):
    """One metric; `bounds` are a histogram's, in its unit.

    A scrape leaves out the series of a `sparse` family that are still zero.
    """

    name: str
    kind: Kind
    about: str
    labels: tuple[Label, ...] = ()
    bounds: tuple[float, ...] = ()
    sparse: bool = False

    @property
    def series(self) -> tuple[tuple[str, ...], ...]:
        """Every combination of label values."""
        return tuple(product(*(label.values for label in self.labels)))

    @property
    def width(self) -> int:
        """The numbers in a series: one, or a histogram's sum, its buckets and the overflow."""
        return len(self.bounds) + 2 if self.kind is Kind.HISTOGRAM else 1
