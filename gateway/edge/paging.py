"""The page that a request asks for."""

import re
from typing import Final

from gateway.rooms import MAX_PAGE_SIZE, FieldProblem, InvalidRequest

from .query import values_in

LAST_PAGE: Final = 999_999
DEFAULT_PAGE_SIZE: Final = 20

_NUMBER = re.compile("[1-9][0-9]{0,5}")
_FIELDS = (("page", 1, LAST_PAGE), ("page_size", DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE))
"""Each with its default and its greatest value."""


def page_in(query: bytes) -> tuple[int, int]:
    """Return the number and the size of a page in a raw query. Raises InvalidRequest."""
    numbers = [_number(values_in(query, name), default, most) for name, default, most in _FIELDS]
    page, size = numbers
    if page is None or size is None:
        raise InvalidRequest(
            *(
                FieldProblem(name, f"must be one whole number from 1 to {most}")
                for number, (name, _, most) in zip(numbers, _FIELDS, strict=True)
                if number is None
            )
        )
    return page, size


def _number(given: list[str], default: int, most: int) -> int | None:
    if not given:
        return default
    if len(given) > 1 or not _NUMBER.fullmatch(given[0]) or int(given[0]) > most:
        return None
    return int(given[0])
