"""Text -> value, for numbers, words and names. Addresses and credentials have their own modules.

A parser takes the text of a variable and returns its typed value, or raises InvalidValue with the
rule. Digits, letters and spaces are ASCII: `float` and `int` alone would also accept `nan`,
`1_000`, surrounding blanks and digits of other scripts.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar
from zoneinfo import ZoneInfo

from .invalid import InvalidValue
from .values import LogCaller, LogFormat, LogLevel, RateLimit

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_UNITS = MappingProxyType({"second": 1, "minute": 60, "hour": 3600, "day": 86400})
_NAME_LENGTH = 256


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from `least` to `most`."""

    def parse(text: str) -> int:
        if not re.fullmatch("[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise InvalidValue(f"must be a whole number from {least} to {most}")
        return int(text)

    return parse


def seconds(least: float, most: float) -> Callable[[str], float]:
    """Return a parser of seconds from `least` to `most`, fractions allowed."""

    def parse(text: str) -> float:
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) or not least <= float(text) <= most:
            raise InvalidValue(f"must be seconds from {least:g} to {most:g}, such as 2 or 0.5")
        return float(text)

    return parse


def one_of(words: type[E]) -> Callable[[str], E]:
    """Return a parser of an enumeration, ignoring case."""

    def parse(text: str) -> E:
        try:
            return words(text.lower())
        except ValueError:
            raise InvalidValue(f"must be one of {', '.join(words)}") from None

    return parse


log_level = one_of(LogLevel)
log_format = one_of(LogFormat)
log_caller = one_of(LogCaller)


def switch(text: str) -> bool:
    """Parse `on` or `off`."""
    if text.lower() not in {"on", "off"}:
        raise InvalidValue("must be on or off")
    return text.lower() == "on"


def rate_limit(text: str) -> RateLimit | None:
    """Parse `60/minute`; `off` is None."""
    if text.lower() == "off":
        return None
    match = re.fullmatch(f"([1-9][0-9]{{0,8}})/({'|'.join(_UNITS)})", text)
    if match is None:
        raise InvalidValue(
            "must be a number over second, minute, hour or day, such as 60/minute, or off"
        )
    return RateLimit(count=int(match[1]), seconds=_UNITS[match[2]])


def zone(text: str) -> ZoneInfo:
    """Parse the name of a time zone; reads the zone database."""
    try:
        return ZoneInfo(text)
    except (KeyError, OSError, ValueError):  # unknown; a directory; not a name
        raise InvalidValue(
            "must be the name of a time zone, such as Asia/Shanghai or UTC"
        ) from None


def listed(item: Callable[[str], T], *, repeats: bool = False) -> Callable[[str], tuple[T, ...]]:
    """Return a parser of comma lists; blanks around an entry are ignored.

    An entry may stand twice only if `repeats` is true.
    """

    def parse(text: str) -> tuple[T, ...]:
        entries = tuple(
            _entry(item, position, entry.strip(" "))
            for position, entry in enumerate(text.split(","), start=1)
        )
        if not repeats and len(set(entries)) < len(entries):
            raise InvalidValue("must not have an entry twice")
        return entries

    return parse


def _entry(item: Callable[[str], T], position: int, text: str) -> T:
    try:
        return item(text)
    except InvalidValue as refused:
        raise InvalidValue(f"entry {position} {refused}") from None


def name(text: str) -> str:
    """Parse an issuer, audience or claim name: printable text."""
    if not text.isprintable() or len(text) > _NAME_LENGTH or text != text.strip():
        raise InvalidValue(
            f"must be at most {_NAME_LENGTH} printable characters without blanks at either end"
        )
    return text


names = listed(name)


def scope(text: str) -> str:
    r"""Parse one scope-token of RFC 6749: visible ASCII but `"` and `\`."""
    if not re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}", text):
        raise InvalidValue(
            "must be one scope: visible ASCII characters, no blank, quote or backslash"
        )
    return text


def cookie_name(text: str) -> str:
    """Parse a cookie's name: a token of RFC 9110, as RFC 6265 asks."""
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", text):
        raise InvalidValue("must be a cookie name: letters, digits and !#$%&'*+-.^_`|~")
    return text
