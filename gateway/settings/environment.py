"""The reader of a settings class: it returns the settings or every problem at once.

- An empty variable counts as unset: compose files and templates write it that way.
- A variable marked `file` may be given as `NAME_FILE`, the path of a file with the value. Trailing
  newlines are removed, nothing else. Both names at once are a problem, and so is an empty file.
- No message quotes a value or a path: `NAME_FILE` may hold the secret itself, by mistake.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from gateway.secret import Secret

from .invalid import InvalidValue, Problem, SettingsError
from .key_file import read_key_file
from .rules import (
    admin_reachable,
    algorithms_fit,
    issuers_paired,
    key_source,
    listeners_apart,
    origins_listed,
    store_said,
    unknown_names,
)
from .table import JwtSettings, Settings
from .variable import Variable, variables

ReadFile = Callable[[Path], bytes]

_QUOTES = "'\""

T = TypeVar("T", bound=JwtSettings)


def load(environ: Mapping[str, str], read_file: ReadFile = read_key_file) -> Settings:
    """Return the configuration in `environ`; raise SettingsError with every problem in it."""
    return _load(Settings, environ, read_file)


def load_jwt(environ: Mapping[str, str], read_file: ReadFile = read_key_file) -> JwtSettings:
    """Return only the `GATEWAY_JWT_…` part; other variables may be missing or invalid.

    Raises SettingsError, also for unknown names: one may be a misspelt variable of this part.
    """
    return _load(JwtSettings, environ, read_file)


def load_admin_token(
    environ: Mapping[str, str], read_file: ReadFile = read_key_file
) -> Secret | None:
    """Return the operator's token as it is now; None without a valid one."""
    [token] = [each for each in variables(Settings) if each.field == "admin_token"]
    try:
        return _value(token, environ, read_file).get(token.field)
    except InvalidValue:
        return None


def _load(settings: type[T], environ: Mapping[str, str], read_file: ReadFile) -> T:
    known = variables(settings)
    given = {each.field: names[0] for each in known if (names := each.given_as(environ))}
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for each in known:
        try:
            values |= _value(each, environ, read_file)
        except InvalidValue as refused:
            problems.append(Problem(given.get(each.field, each.name), str(refused)))
    problems += key_source(given)
    problems += algorithms_fit(given, values.get("jwt_algorithms", ()))
    problems += issuers_paired(given, values)
    problems += origins_listed(given, values.get("cors_origins", ()))
    problems += listeners_apart(given, values)
    problems += admin_reachable(given, values)
    problems += store_said(given, values)
    problems += unknown_names(environ, variables(Settings))
    if problems:
        raise SettingsError(*_in_order(problems))
    return settings(**values)


def _value(variable: Variable, environ: Mapping[str, str], read_file: ReadFile) -> dict[str, Any]:
    """Return the variable's field with its value; empty for an optional variable without one."""
    names = variable.given_as(environ)
    if len(names) > 1:
        raise InvalidValue(f"cannot be set beside {variable.file_name}: keep one of them")
    if names:
        return {variable.field: _parsed(variable, _text(variable, names[0], environ, read_file))}
    if variable.required:
        raise InvalidValue(f"is required: {variable.about}")
    return {} if variable.default is None else {variable.field: variable.parse(variable.default)}


def _parsed(variable: Variable, text: str) -> object:
    try:
        return variable.parse(text)
    except InvalidValue as refused:
        if len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES:
            raise InvalidValue(f"{refused}; remove the quotes around it") from None
        if text != text.strip():
            raise InvalidValue(f"{refused}; remove the white space around it") from None
        raise


def _text(variable: Variable, name: str, environ: Mapping[str, str], read_file: ReadFile) -> str:
    if name == variable.file_name:
        return _content(Path(environ[name]), read_file)
    try:
        environ[name].encode()  # os.environ has other bytes as lone surrogates
    except UnicodeEncodeError:
        raise InvalidValue("must be UTF-8") from None
    return environ[name]


def _content(path: Path, read_file: ReadFile) -> str:
    try:
        text = read_file(path).decode().rstrip("\r\n")
    except InvalidValue:
        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidValue(f"must name a file that the gateway's user can read: {reason}") from None
    except ValueError:
        raise InvalidValue("must name a file of UTF-8 text") from None
    if not text:
        raise InvalidValue("must name a file that is not empty")
    return text


def _in_order(problems: list[Problem]) -> list[Problem]:
    """Sort by the order of the documentation, unknown variables last."""
    names = [name for each in variables(Settings) for name in each.names]
    place = {name: position for position, name in enumerate(names)}
    return sorted(problems, key=lambda each: place.get(each.variable, len(place)))
