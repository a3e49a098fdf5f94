"""The page that a request asks for."""

import re

from gateway.rooms import MAX_PAGE_SIZE, FieldProblem, InvalidRequest

from .query import values_in

LAST_PAGE = 999_999
DEFAULT_PAGE_SIZE = 20

_NUMBER = re.compile("[1-9][0-9]{0,5}")


def page_in(query: bytes) -> tuple[int, int]:
    """Return the number and the size of a page in a raw query. Raises InvalidRequest."""
    number = _number(query, "page", 1, LAST_PAGE)
    return number, _number(query, "page_size", DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def _number(query: bytes, name: str, default: int, most: int) -> int:
    given = values_in(query, name)
    if not given:
        return default
    if len(given) > 1 or not _NUMBER.fullmatch(given[0]) or int(given[0]) > most:
        raise InvalidRequest(FieldProblem(name, f"must be one whole number from 1 to {most}"))
    return int(given[0])
