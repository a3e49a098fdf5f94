"""The content types and codings of a JSON body."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.problems import UnsupportedMediaType
from gateway.edge.room_handlers import require_json

JSON = (b"content-type", b"application/json")


@pytest.mark.parametrize(
    "declared",
    [
        b"application/json",
        b"APPLICATION/JSON",
        b"application/json; charset=utf-8",
        b'application/json;charset="UTF-8"',
        b"application/json; charset=UTF8",
        b"application/json; charset=us-ascii",
        b"application/json; profile=x",
    ],
)
@pytest.mark.parametrize("coding", [[], [(b"content-encoding", b"identity")]])
def test_json_in_utf8_is_read(declared: bytes, coding: list[tuple[bytes, bytes]]) -> None:
    """JSON must be accepted in any case, with UTF-8 named or left out, uncompressed."""
    require_json([(b"content-type", declared), *coding])


@pytest.mark.parametrize(
    "declared",
    [
        b"",
        b"text/plain",
        b"text/json",
        b"application/jsonp",
        b"application/problem+json",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
        b"application/json; charset=utf-16",
        b"application/json; charset=gbk",
        b"application/json, text/plain",
        b"json",
        b"application\\json",
    ],
)
def test_other_types_are_refused(declared: bytes) -> None:
    """A body declared as anything but JSON in UTF-8 must be refused."""
    with pytest.raises(UnsupportedMediaType):
        require_json([(b"content-type", declared)])


def test_no_type_is_refused() -> None:
    """A body without a type must be refused, or forms of browsers would pass."""
    with pytest.raises(UnsupportedMediaType):
        require_json([])


def test_two_types_are_refused() -> None:
    """A body declared twice must be refused: the next reader may take the other declaration."""
    with pytest.raises(UnsupportedMediaType):
        require_json([JSON, JSON])


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"deflate", b"zstd", b"", b"gzip, identity"])
def test_compressed_bodies_are_refused(coding: bytes) -> None:
    """A compressed body must be refused, so that a small one cannot become large."""
    with pytest.raises(UnsupportedMediaType):
        require_json([JSON, (b"content-encoding", coding)])


def test_two_codings_are_refused() -> None:
    """A coding must not hide behind another header of the same name."""
    identity, gzip = (b"content-encoding", b"identity"), (b"content-encoding", b"gzip")
    with pytest.raises(UnsupportedMediaType):
        require_json([JSON, identity, gzip])


@given(st.binary(max_size=60).map(lambda tail: b"application/json;" + tail) | st.binary())
def test_any_header_is_decided(declared: bytes) -> None:
    """Any bytes as a type must be accepted or refused, without another exception."""
    try:
        require_json([(b"content-type", declared)])
    except UnsupportedMediaType:
        return
    assert declared.lower().lstrip().startswith(b"application/json")
