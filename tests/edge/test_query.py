"""Queries of strangers, parsed within bounds."""

from contextlib import suppress
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.query import values_in
from gateway.rooms import InvalidRequest


@pytest.mark.parametrize(
    ("query", "values"),
    [
        (b"", []),
        (b"id=a&id=b&x=c&id=a", ["a", "b", "a"]),
        (b"id=&id&&=&&id==", ["", "", "="]),
        (b"%69%64=%61%2Fb+c&i+d=x", ["a/b c"]),
        (b"id[=a&ID=a&id%00=a&%ff=a&x=%ff", []),
        (b"id[]=a&id=b&id%5B%5D=c", ["a", "b", "c"]),
        (b"id=%e7%9b%b4&id=%&id=%zz&id=%2", ["直", "%", "%zz", "%2"]),
        (b"x=1;id=2", []),
    ],
)
def test_values_of_a_field(query: bytes, values: list[str]) -> None:
    """Every value of the field comes in order, decoded; other fields say nothing."""
    assert values_in(query, "id") == values


@given(st.lists(st.tuples(st.sampled_from(["id", "x", "i d"]), st.text(max_size=20)), max_size=40))
def test_it_is_what_others_understand(pairs: list[tuple[str, str]]) -> None:
    """A query is read as the standard library reads it."""
    query = urlencode(pairs)
    assert values_in(query.encode(), "id") == parse_qs(query, keep_blank_values=True).get("id", [])


LARGEST = b"&".join(b"%69%64=" + b"%41" * 64 for _ in range(50))


def test_the_largest_batch_fits() -> None:
    """Fifty ids of 64 characters fit, with every character percent-encoded."""
    assert values_in(LARGEST, "id") == ["A" * 64] * 50


@pytest.mark.parametrize(
    "query",
    [b"&" * 100, b"id=a&" * 100, b"x=" + b"a" * 10_240, b"id=%ff", b"id=\xff", b"id=%c3%28"],
)
def test_beyond_the_bounds(query: bytes) -> None:
    """Too many fields, too long a query and a value that is not UTF-8 are refused."""
    with pytest.raises(InvalidRequest):
        values_in(query, "id")


@given(st.binary(max_size=300))
def test_any_query_is_decided(query: bytes) -> None:
    """Any bytes are a query or refused, without another exception."""
    with suppress(InvalidRequest):
        assert len(values_in(query, "id")) <= 100
