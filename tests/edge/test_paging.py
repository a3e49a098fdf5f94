"""The page that a query asks for, within bounds."""

import pytest

from gateway.edge.paging import page_in
from gateway.rooms import InvalidRequest


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", (1, 20)),
        (b"page=2", (2, 20)),
        (b"page_size=50", (1, 50)),
        (b"page=999999&page_size=1", (999_999, 1)),
        (b"other=x&page=3&page_size=7&cursor=9", (3, 7)),
        (b"%70age=4", (4, 20)),
    ],
)
def test_pages(query: bytes, expected: tuple[int, int]) -> None:
    """Both numbers have a default, and other fields are ignored."""
    assert page_in(query) == expected


BAD = [
    "",
    "0",
    "-1",
    "+1",
    "01",
    "1.0",
    "1e1",
    "x",
    "%C3%A9",
    "%D9%A1",
    " 1",
    "1000000",
    "9" * 5000,
]


@pytest.mark.parametrize("text", BAD)
def test_bad_pages(text: str) -> None:
    """Anything but a plain number from 1 up is refused, also one with thousands of digits."""
    with pytest.raises(InvalidRequest) as caught:
        page_in(f"page={text}".encode())
    assert [each.field for each in caught.value.problems] == ["page"]


@pytest.mark.parametrize("text", [*BAD, "51"])
def test_bad_sizes(text: str) -> None:
    """A page has 50 rooms at most."""
    with pytest.raises(InvalidRequest) as caught:
        page_in(f"page_size={text}".encode())
    assert [each.field for each in caught.value.problems] == ["page_size"]


def test_both_are_named() -> None:
    """Every bad field is named at once; one that is given twice is bad."""
    with pytest.raises(InvalidRequest) as caught:
        page_in(b"page=1&page=2&page_size=0")
    assert [each.field for each in caught.value.problems] == ["page", "page_size"]
