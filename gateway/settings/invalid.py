"""Errors of the configuration.

Messages give the remedy and never quote a value, even of a public variable: a secret pasted into
the wrong variable must not end up in a log.
"""

from msgspec import Struct


class Problem(Struct, frozen=True):
    """One problem: the variable to change, and the rest of a sentence about it."""

    variable: str
    message: str


class SettingsError(Exception):
    """The configuration is not valid; `problems` lists every reason."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "; ".join(f"{each.variable} {each.message}" for each in self.problems)


class InvalidValue(ValueError):
    """A parser's refusal of a value. Its text continues the variable's name: "must be …".

    It has its own type, because a library's ValueError often quotes the value.
    """
