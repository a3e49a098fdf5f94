"""Media types, as in a `Content-Type` (RFC 9110 §8.3): type, subtype and parameters.

The parser is strict and bounded, for it reads what strangers send. The standard library's parser
knows MIME as well, takes quadratic time on quoted separators, and raises on some parameters.
"""

import re

from msgspec import Struct

_LONGEST = 256
"""Characters of a media type; registered ones with their parameters have less than a hundred."""

_MOST_PARAMETERS = 16

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
_ESSENCE = re.compile(f"{_WORD}/{_WORD}")
_PARAMETER = re.compile(rf"[ \t]*;[ \t]*(?:({_WORD})=({_WORD}|{_QUOTED}))?")
_ESCAPE = re.compile(r"\\(.)")

_UTF8 = frozenset({"utf-8", "utf8", "us-ascii"})
"""Names of UTF-8 and of a part of it; `utf8` is no registered name, and common."""


class MediaType(Struct, frozen=True):
    """A media type: its `essence`, as `application/json`, and its charset, both in lower case."""

    essence: str
    charset: str | None = None

    @property
    def is_utf8(self) -> bool:
        """True for a text in UTF-8, which is also the default of JSON."""
        return self.charset is None or self.charset in _UTF8


def parse_media_type(text: str) -> MediaType | None:
    """Return the media type in `text`; None for anything else, and for two charsets."""
    essence = _ESSENCE.match(text) if len(text) <= _LONGEST else None
    if essence is None:
        return None
    parameters, rest = [], text[essence.end() :].rstrip(" \t")
    for _ in range(_MOST_PARAMETERS):
        found = _PARAMETER.match(rest)
        if found is None:
            break
        parameters.append(found)
        rest = rest[found.end() :]
    charsets = [_plain(each[2]) for each in parameters if (each[1] or "").lower() == "charset"]
    if rest or len(charsets) > 1:
        return None
    return MediaType(essence[0].lower(), *charsets)


def _plain(value: str) -> str:
    """Return a parameter's value without quotes and escapes, in lower case."""
    return _ESCAPE.sub(r"\1", value[1:-1]).lower() if value.startswith('"') else value.lower()
