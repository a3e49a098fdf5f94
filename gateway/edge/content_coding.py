"""The codings that a client accepts (RFC 9110 §12.5.3), read within bounds."""

import re
from collections.abc import Iterable

from .answers import Header

_LONGEST = 1_000
"""Bytes of `Accept-Encoding` that are read; browsers send about 30."""

_CODING = re.compile(
    rb"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*"
    rb"(?:;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?"
)


def accepts_gzip(headers: Iterable[Header]) -> bool:
    """Return True if a request with these raw headers takes gzip; an ill-formed coding is none."""
    value = b",".join(value for name, value in headers if name == b"accept-encoding")
    if len(value) > _LONGEST:
        return False
    found = filter(None, map(_CODING.fullmatch, value.split(b",")))
    weights = {each[1].lower(): float(each[2] or 1) for each in found}
    return weights.get(b"gzip", weights.get(b"*", 0)) > 0
