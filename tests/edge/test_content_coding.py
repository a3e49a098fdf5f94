"""The codings that a client accepts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.content_coding import accepts_gzip


@pytest.mark.parametrize(
    "values",
    [
        [b"gzip"],
        [b"gzip, deflate, br, zstd"],
        [b"deflate", b"GZIP"],
        [b"br;q=1.0 ,\tgzip ; q=0.001"],
        [b"*"],
        [b"identity;q=0, *;Q=0.5"],
        [b"x y, gzip"],
    ],
)
def test_who_takes_gzip(values: list[bytes]) -> None:
    """It is named, or `*` is, with any weight above 0, in one header or several."""
    assert accepts_gzip([(b"accept-encoding", value) for value in values])


@pytest.mark.parametrize(
    "values",
    [
        [],
        [b""],
        [b"identity"],
        [b"gzip;q=0"],
        [b"gzip;q=0.000, *"],
        [b"*;q=0"],
        [b"gzip;q=2"],
        [b"gzip;q=0.0001"],
        [b"gzip;q=nan"],
        [b"gzip;x=y"],
        [b"xgzip, gzip2"],
        [b"gzip " + b"x" * 1000],
        [b"gzip"] * 300,
    ],
)
def test_who_does_not(values: list[bytes]) -> None:
    """A weight of 0, another coding, an ill-formed one, and a header of over 1,000 bytes."""
    assert not accepts_gzip([(b"accept-encoding", value) for value in values])


@given(st.lists(st.binary(max_size=60)))
def test_no_header_fails(values: list[bytes]) -> None:
    """Whatever is sent, there is an answer."""
    accepts_gzip([(b"accept-encoding", value) for value in values])
