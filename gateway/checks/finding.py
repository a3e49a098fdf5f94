"""The one type of finding, and its severities."""

from enum import StrEnum

from msgspec import Struct


class Severity(StrEnum):
    """The severity of a finding, in rising order.

    `warning` may open the gateway to others, `error` does, and `failed` keeps it from working.
    """

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    FAILED = "failed"

    def reaches(self, least: "Severity") -> bool:
        """Return True for `least` and anything worse."""
        order = tuple(Severity)
        return order.index(self) >= order.index(least)


class Finding(Struct, frozen=True, omit_defaults=True):
    """One result: its subject, a variable or a dependency, and a sentence.

    A finding of the audit also has `advice` and the number of its `rule`.
    """

    severity: Severity
    subject: str
    message: str
    advice: str = ""
    rule: str = ""


Note = tuple[str, str, str]
"""A finding of an audit rule: the variable, the fact, and the advice."""
