"""What can be wrong with the configuration.

Messages say what to do and never quote a value, not even of a variable that is not secret: a
secret pasted into the wrong variable must not end up in a log.
"""

from msgspec import Struct


class Problem(Struct, frozen=True):
    """One thing wrong: the variable to change, and what it must be."""

    variable: str
    message: str


class SettingsError(Exception):
    """The configuration cannot be used; `problems` lists everything wrong with it.

    As text: a line a problem, the variables' names aligned.
    """

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        width = max((len(problem.variable) for problem in self.problems), default=0)
        return "\n".join(f"{each.variable:<{width}}  {each.message}" for each in self.problems)


class InvalidValue(ValueError):
    """A parser's verdict on a value. Its text continues the variable's name: "must be …".

    A type of its own, because the text of a library's ValueError often quotes the value.
    """
