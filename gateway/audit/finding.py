"""The words of an audit."""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum

from msgspec import Struct

from gateway.settings import Settings

from .files import KeyFile


class Severity(StrEnum):
    """How much it matters: `error` opens the gateway, `warning` may, `info` is for weighing."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    def reaches(self, least: "Severity") -> bool:
        """Whether this is `least` or worse."""
        order = tuple(Severity)
        return order.index(self) >= order.index(least)


class Remark(Struct, frozen=True):
    """What a rule says: the variable, what is so, and what to do about it."""

    variable: str
    message: str
    advice: str


class Rule(Struct, frozen=True):
    """One rule; `about` is its line in the documentation."""

    number: str
    severity: Severity
    about: str
    find: Callable[[Settings, Sequence[KeyFile]], Iterator[Remark]]


class Finding(Struct, frozen=True):
    """A rule that the configuration breaks."""

    rule: str
    severity: Severity
    variable: str
    message: str
    advice: str
