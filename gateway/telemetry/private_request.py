"""Requests to the private listener, read strictly and within bounds."""

import re

from msgspec import Struct

Header = tuple[bytes, bytes]

MAX_BODY = 65_536
"""Bytes of a body."""

_MOST_HEADERS = 64
_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) (/[^ ?]*)(?:\?[^ ]*)? HTTP/1\.[01]\r\n")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n\x00]*)")
_LENGTH = re.compile(rb"[0-9]{1,9}")


class PrivateRequest(Struct, frozen=True):
    """A request with a path as sent, without its query; header names are in lower case.

    `body` is None if it is longer than MAX_BODY, or its length is not declared.
    """

    method: str
    path: str
    headers: tuple[Header, ...]
    body: bytes | None


def request_line(head: bytes) -> tuple[bytes, bytes] | None:
    """Return the method and the path in the head of a request, None for anything else."""
    found = _REQUEST_LINE.match(head)
    return found and (found[1], found[2])


def headers_in(head: bytes) -> tuple[Header, ...] | None:
    """Return the headers in the head of a request; None if they are too many, or not well-formed.

    So are two lengths, and one that is no number.
    """
    lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n", _MOST_HEADERS)[1:]
    found = [_HEADER.fullmatch(line) for line in lines]
    headers = tuple((each[1].lower(), each[2].strip(b" \t")) for each in found if each)
    lengths = [value for name, value in headers if name == b"content-length"]
    is_valid = len(lengths) <= 1 and all(map(_LENGTH.fullmatch, lengths))
    return headers if is_valid and len(headers) == len(lines) else None


def body_length(headers: tuple[Header, ...]) -> int | None:
    """Return the bytes of a body, None if it is too long or its length is not declared."""
    given = dict(headers)
    length = int(given.get(b"content-length", b"0"))
    return None if length > MAX_BODY or b"transfer-encoding" in given else length
