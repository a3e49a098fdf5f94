"""The declaration of variables in a settings class.

A field is one environment variable: `upstream_timeout` is `GATEWAY_UPSTREAM_TIMEOUT`. Its
declaration has everything about it. A default is a text for the same parser as a given value, so
the two cannot drift apart.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")

Parser = Callable[[str], T]
"""Returns the value of a text; raises InvalidValue."""

PREFIX = "GATEWAY_"
FILE_SUFFIX = "_FILE"


@dataclass(frozen=True, kw_only=True, slots=True)
class Variable:
    """One environment variable.

    `default` is a text, None for an optional or `required` variable without one. With `file`,
    `file_name` may name a file with the value.
    """

    field: str
    parse: Parser[Any]
    about: str
    default: str | None
    required: bool
    file: bool

    @property
    def name(self) -> str:
        """The name of the variable in the environment."""
        return PREFIX + self.field.upper()

    @property
    def file_name(self) -> str:
        """The name of the variable for a file with the value."""
        return self.name + FILE_SUFFIX

    @property
    def names(self) -> tuple[str, ...]:
        """Every name for the value."""
        return (self.name, self.file_name) if self.file else (self.name,)

    def given_as(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Return those of `names` that are set and not empty."""
        return tuple(name for name in self.names if environ.get(name))


@overload
def variable(parse: Parser[T], about: str, *, default: str = ..., file: bool = ...) -> T: ...
@overload
def variable(parse: Parser[T], about: str, *, default: None, file: bool = ...) -> T | None: ...
def variable(
    parse: Parser[Any],
    about: str,
    *,
    default: Any = MISSING,
    file: bool = False,
) -> Any:
    """Declare a field of a settings class; `about` is its meaning in one line.

    Without `default` it is required. With None it is optional, and the field may be None.
    """
    facts = {"parse": parse, "about": about, "file": file}
    if default is MISSING:
        return field(metadata={**facts, "default": None, "required": True})
    return field(
        default_factory=lambda: None if default is None else parse(default),
        metadata={**facts, "default": default, "required": False},
    )


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(variable,))
def from_environment(settings: type[T]) -> type[T]:
    """Make a class whose fields are `variable(…)` a frozen, keyword-only dataclass."""
    return dataclass(frozen=True, kw_only=True)(settings)


def variables(settings: type[Any]) -> tuple[Variable, ...]:
    """Return the variables of a settings class, in its order."""
    return tuple(Variable(field=each.name, **each.metadata) for each in fields(settings))
