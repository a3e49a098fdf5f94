"""How a settings class declares its variables.

A field is one environment variable: `upstream_timeout` is `GATEWAY_UPSTREAM_TIMEOUT`. Its
declaration holds everything there is to know about it, and a default is a text that goes through
the same parser as a given value, so neither can drift from the other.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")

PREFIX = "GATEWAY_"
FILE_SUFFIX = "_FILE"


@dataclass(frozen=True, kw_only=True, slots=True)
class Variable:
    """One environment variable.

    `default` is its text, None when the variable may be missing or must be given (`required`).
    `file` says whether `file_name` may name a file with the value instead; `in_effect` whether
    the gateway acts on it yet.
    """

    field: str
    parse: Callable[[str], Any]
    about: str
    default: str | None
    required: bool
    file: bool
    in_effect: bool

    @property
    def name(self) -> str:
        """The variable as the environment knows it."""
        return PREFIX + self.field.upper()

    @property
    def file_name(self) -> str:
        """The variable that names a file with the value."""
        return self.name + FILE_SUFFIX

    @property
    def names(self) -> tuple[str, ...]:
        """Every name by which the value may be given."""
        return (self.name, self.file_name) if self.file else (self.name,)

    def given_as(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Return those of `names` that are set; set to nothing counts as not set."""
        return tuple(name for name in self.names if environ.get(name))


@overload
def variable(
    parse: Callable[[str], T], about: str, *, file: bool = ..., in_effect: bool = ...
) -> T: ...
@overload
def variable(
    parse: Callable[[str], T], about: str, *, default: str, file: bool = ..., in_effect: bool = ...
) -> T: ...
@overload
def variable(
    parse: Callable[[str], T], about: str, *, default: None, file: bool = ..., in_effect: bool = ...
) -> T | None: ...
def variable(
    parse: Callable[[str], Any],
    about: str,
    *,
    default: Any = MISSING,
    file: bool = False,
    in_effect: bool = True,
) -> Any:
    """Declare a field of a settings class: `about` says in one line what the variable means.

    Without `default` it is required; with None it may be missing and the field is then None.
    """
    required = default is MISSING
    declaration = {
        "parse": parse,
        "about": about,
        "default": None if required else default,
        "required": required,
        "file": file,
        "in_effect": in_effect,
    }
    if required:
        return field(metadata=declaration)
    return field(
        default_factory=lambda: None if default is None else parse(default), metadata=declaration
    )


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(variable,))
def from_environment(settings: type[T]) -> type[T]:
    """Make a class whose fields are `variable(…)` a frozen, keyword-only dataclass."""
    return dataclass(frozen=True, kw_only=True)(settings)


def variables(settings: type[Any]) -> tuple[Variable, ...]:
    """Return the variables a settings class declares, in its order."""
    return tuple(Variable(field=each.name, **each.metadata) for each in fields(settings))
