"""A request's query, parsed within bounds.

The framework's parser keeps every query that it has seen in a cache.
"""

from urllib.parse import unquote_to_bytes

from gateway.rooms import FieldProblem, InvalidRequest

_LONGEST = 10_240
"""Bytes of a query: 50 room ids with every character percent-encoded have 10,000."""

_MOST_FIELDS = 100
"""The ids of a batch, and as many fields that nobody asked for."""


def values_in(query: bytes, name: str) -> list[str]:
    """Return the values of a field in a raw query, in order; other fields are ignored.

    A list may also be written with brackets, as axios does: `name[]`.

    Raises InvalidRequest for a value that is not UTF-8, and for a query beyond the bounds.
    """
    if len(query) > _LONGEST or query.count(b"&") >= _MOST_FIELDS:
        raise InvalidRequest(FieldProblem("query", f"more than {_MOST_FIELDS} fields, or too long"))
    pairs = (field.partition(b"=") for field in query.split(b"&"))
    wanted = (name.encode(), f"{name}[]".encode())
    values = [_unquoted(value) for key, _, value in pairs if _unquoted(key) in wanted]
    try:
        return [value.decode() for value in values]
    except UnicodeDecodeError as error:
        raise InvalidRequest(FieldProblem(name, "not valid UTF-8")) from error


def _unquoted(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))
