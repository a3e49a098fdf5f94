"""Scans all output of the gateway for canaries in every encoding.

Canaries are AK, SK, signatures, `push_url`, tokens and their secrets; in every channel a planted
leak must be found by the same scan.

- `scan` (here) finds a canary, whatever it is written in and embedded in; `test_scan` proves that.
- `canaries` are the secrets; `shown` is every way to show a value, which `test_values` tries on all
  that holds one.
- `telltale` is an upstream that says every secret it knows wherever it can, `traffic` every route
  and outcome for every kind of caller; `test_traffic` scans what is answered and logged meanwhile.
- `test_processes` scans the real commands' output, crashes included.
- `test_types` and `test_histories` hold the outgoing guard: by types, and by traffic in cookie mode
  (tests/live/test_histories.py has it for tokens in the header).

Not looked for: a secret in the text of an exception that nobody foresaw, which is logged, and in
the memory of the process.
"""

import base64
import html
import json
import pickle
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote, quote_plus

from msgspec import Struct

PART = 8
"""Characters at either end of a secret that are not to be seen."""


class Finding(Struct, frozen=True):
    """Which canary was seen, and in what encoding."""

    canary: str
    encoding: str


def scan(said: bytes, canaries: Mapping[str, str]) -> list[Finding]:
    """Return every canary in `said`, as a whole or its first or last eight characters alone."""
    known = _by_beginning(tuple(canaries.items()))
    found: dict[Finding, None] = {}
    for place in range(len(said)):
        for pattern, finding in known.get(said[place : place + PART], ()):
            if said.startswith(pattern, place):
                found[finding] = None
    return list(found)


@lru_cache(maxsize=16)
def _by_beginning(
    canaries: tuple[tuple[str, str], ...],
) -> Mapping[bytes, list[tuple[bytes, Finding]]]:
    """Return all patterns by their first bytes: looking for one takes as long as for hundreds."""
    known = defaultdict(list)
    for name, secret in canaries:
        for pattern, encoding in patterns(secret).items():
            known[pattern[:PART]].append((pattern, Finding(name, encoding)))
    return dict(known)


def patterns(secret: str) -> Mapping[bytes, str]:
    """Return how either end of a secret looks in each encoding, wherever it stands in a text.

    Who looks for the ends finds the whole as well.
    """
    if len(secret) < PART:
        raise ValueError("too short to be told from anything else")
    found: dict[bytes, str] = {}
    for part in (secret[:PART], secret[-PART:]):
        for encoding, pattern in _encoded(part):
            found.setdefault(pattern, encoding)
    return found


def _encoded(text: str) -> Iterator[tuple[str, bytes]]:
    data = text.encode()
    yield "raw", data
    for percent in (quote(text), quote(text, safe=""), quote_plus(text), quote_plus(text, safe="")):
        yield "URL", percent.encode()
        yield "URL in lower case", _lower_escapes(percent).encode()
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield "JSON", escaped.encode()
        yield "JSON with escaped slashes", escaped.replace("/", "\\/").encode()
    yield "pickle", pickle.dumps(text, 0)[1:].partition(b"\n")[0]
    escaped = text.encode("unicode_escape").decode()
    for python in (escaped, escaped.replace("'", "\\'"), repr(data)[2:-1], repr(text)[1:-1]):
        yield "Python", python.encode()
    yield "HTML", html.escape(text).encode()
    yield "hexadecimal", data.hex().encode()
    yield "hexadecimal", data.hex().upper().encode()
    for offset in range(3):
        standard = _base64_at(offset, data)
        yield "base64", standard
        yield "URL-safe base64", standard.translate(bytes.maketrans(b"+/", b"-_"))


def _lower_escapes(text: str) -> str:
    first, *rest = text.split("%")
    return "%".join([first, *(each[:2].lower() + each[2:] for each in rest)])


def _base64_at(offset: int, data: bytes) -> bytes:
    """Return the characters that `data` alone decides, after `offset` bytes of something else."""
    bits = 8 * (offset + len(data))
    return base64.b64encode(bytes(offset) + data)[-(-8 * offset // 6) : bits // 6]
