"""The head of a request to the private listener."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry.private_request import MAX_BODY, body_length, headers_in, request_line

LINE = b"PUT /admin/x HTTP/1.1\r\n"


def head(*lines: bytes) -> bytes:
    """Return a head with these header lines."""
    return LINE + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def test_headers_are_read() -> None:
    """Names are in lower case, values without blanks around them."""
    found = headers_in(head(b"Host: a", b"X-A:\t b \t", b"empty:"))
    assert found == ((b"host", b"a"), (b"x-a", b"b"), (b"empty", b""))
    assert headers_in(head()) == ()


@pytest.mark.parametrize(
    "line",
    [
        *(b"no colon", b" folded: x", b"name : x", b": x", b"a\x00: x", b"a: \x00", b"a: b\nc: d"),
        *(b"Content-Length: -1", b"Content-Length: ", b"Content-Length: 1, 1", b"a: b\rc"),
        *(b"Content-Length: 0x10", b"Content-Length: 1234567890", "Content-Length: ١".encode()),  # noqa: RUF001  # a digit of another script
    ],
)
def test_what_is_no_header(line: bytes) -> None:
    """A line that is no header, or a length that is no number, spoils the head."""
    assert headers_in(head(b"Host: a", line)) is None


def test_headers_are_few() -> None:
    """More than 64 headers, and two lengths, are refused."""
    assert len(headers_in(head(*[b"a: b"] * 64)) or ()) == 64
    assert headers_in(head(*[b"a: b"] * 65)) is None
    assert headers_in(head(b"Content-Length: 1", b"content-length: 1")) is None


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ((), 0),
        ((b"Content-Length: 0",), 0),
        ((f"Content-Length: {MAX_BODY}".encode(),), MAX_BODY),
        ((f"Content-Length: {MAX_BODY + 1}".encode(),), None),
        ((b"Transfer-Encoding: chunked",), None),
        ((b"Transfer-Encoding: chunked", b"Content-Length: 2"), None),
    ],
)
def test_the_length_of_a_body(lines: tuple[bytes, ...], length: int | None) -> None:
    """A body that is too long, or of unknown length, is not read."""
    headers = headers_in(head(*lines))
    assert headers is not None
    assert body_length(headers) == length


@given(st.binary(max_size=300))
def test_no_head_is_a_fault(given: bytes) -> None:
    """No bytes raise an error."""
    for text in (given, LINE + given + b"\r\n\r\n"):
        request_line(text)
        body_length(headers_in(text) or ())
