"""Messages that break the protocol or its bounds, byte by byte.

Behind each stands another request: whether the server takes the first for shorter than it is shows
in a second answer.
"""

import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec import Struct

from gateway.sandbox import Sandbox
from tests.conftest import running_sandbox, signed_in

NEXT = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LARGEST = 65536


class Answers(Struct):
    """All that came until the server closed the connection."""

    raw: bytes

    @property
    def statuses(self) -> list[int]:
        """The status of each answer."""
        return [int(each[2:5]) for each in self.raw.split(b"HTTP/1.")[1:]]

    @property
    def problem(self) -> Any:
        """The problem in the first answer."""
        head, _, body = self.raw.partition(b"\r\n\r\n")
        assert b"\r\ncontent-type: application/problem+json\r\n" in head
        return json.JSONDecoder().raw_decode(body.decode())[0]

    @property
    def closing(self) -> bool:
        """Return True if the first answer closes the connection."""
        return b"\r\nconnection: close\r\n" in self.raw.partition(b"\r\n\r\n")[0]


@pytest.fixture(scope="module")
def hostile() -> Iterator[Sandbox]:
    """A gateway that nobody else uses; where nothing may reach the vendor, nothing has."""
    with running_sandbox() as sandbox:
        yield sandbox


def send(sandbox: Sandbox, *parts: bytes) -> Answers:
    """Send raw bytes and return all that comes until the server closes the connection."""
    address = urlsplit(sandbox.url)
    sandbox.vendor.calls.clear()
    with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server has heard enough; its answer may be there
        return Answers(b"".join(iter(lambda: connection.recv(65536), b"")))


def create(sandbox: Sandbox, *headers: bytes) -> bytes:
    """Return the head of a create by alice."""
    lines = [
        b"POST /v1/rooms HTTP/1.1",
        b"Host: x",
        b"Authorization: " + signed_in(sandbox, "alice")["Authorization"].encode(),
    ]
    if not any(each.lower().startswith(b"content-type") for each in headers):
        lines.append(b"Content-Type: application/json")
    return b"\r\n".join([*lines, *headers]) + b"\r\n\r\n"


def chunks(*bodies: bytes) -> bytes:
    """Return a body in these chunks."""
    return b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in (*bodies, b""))


ROOM = b'{"title":"t"}'
ILL_FRAMED = {
    "two lengths": [b"Content-Length: 13", b"Content-Length: 14"],
    "a list of lengths": [b"Content-Length: 13, 13"],
    "a sign": [b"Content-Length: +13"],
    "a negative length": [b"Content-Length: -1"],
    "a length in hex": [b"Content-Length: 0xd"],
    "an empty length": [b"Content-Length: "],
    "a length beyond 64 bits": [b"Content-Length: 99999999999999999999"],
    "a folded length": [b"Content-Length:", b" 13"],
    "a folded header": [b"X-A: a", b" b", b"Content-Length: 13"],
    "a header folded with a tab": [b"X-A: a", b"\tb", b"Content-Length: 13"],
    "a space before the colon": [b"Content-Length : 13"],
    "no colon": [b"Content-Length 13"],
    "NUL": [b"X-A: a\0b", b"Content-Length: 13"],
    "a bare CR": [b"X-A: a\rContent-Length: 13"],
    "a coding alone": [b"Transfer-Encoding: gzip"],
    "a coding after chunked": [b"Transfer-Encoding: chunked, gzip"],
    "identity": [b"Transfer-Encoding: identity", b"Content-Length: 13"],
    "almost chunked": [b"Transfer-Encoding: xchunked"],
    "chunked and a tab": [b"Transfer-Encoding: \x0bchunked"],
}


@pytest.mark.parametrize("case", ILL_FRAMED)
def test_an_illframed_request_is_refused(hostile: Sandbox, case: str) -> None:
    """Smuggled bytes after a broken request are a 400, and never another request."""
    answers = send(hostile, create(hostile, *ILL_FRAMED[case]) + ROOM + NEXT)
    assert answers.statuses == [400]
    assert answers.closing
    assert not hostile.vendor.calls


BAD_CHUNKS = {
    "no size": b"x\r\n",
    "a negative size": b"-1\r\n",
    "a size beyond 64 bits": b"fffffffffffffffff\r\n",
    "more than the size": b"2\r\n{}}\r\n0\r\n\r\n",
    "a line feed in an extension": b"d;a\nb\r\n" + ROOM + b"\r\n0\r\n\r\n",
    "an endless extension": b"d;" + b"a" * 20_000 + b"\r\n" + ROOM + b"\r\n0\r\n\r\n",
    "too many trailers": b"d\r\n" + ROOM + b"\r\n0\r\n" + b"X: y\r\n" * 500 + b"\r\n",
}


@pytest.mark.parametrize("case", BAD_CHUNKS)
def test_a_body_in_bad_chunks_is_refused(hostile: Sandbox, case: str) -> None:
    """A bad part of a request is named in a 400, and nothing of it is used."""
    head = create(hostile, b"Transfer-Encoding: chunked")
    answers = send(hostile, head + BAD_CHUNKS[case] + NEXT)
    assert answers.statuses == [400]
    assert [each["field"] for each in answers.problem["errors"]] == ["body"]
    assert not hostile.vendor.calls


@pytest.mark.parametrize("length", [4, 13, 28, 1000])
@pytest.mark.parametrize("length_first", [True, False])
def test_a_length_beside_chunks_is_ignored(
    hostile: Sandbox, length: int, *, length_first: bool
) -> None:
    """The server drops the length, unseen by us, goes by the chunks, and closes.

    So RFC 9112 (6.3) allows; nothing can be smuggled in. Proxies refuse such requests.
    """
    headers = [b"Content-Length: %d" % length, b"Transfer-Encoding: chunked"]
    head = create(hostile, *(headers if length_first else reversed(headers)))
    answers = send(hostile, head + chunks(ROOM) + NEXT)
    assert answers.statuses == [201]
    assert answers.closing


def test_well_framed_requests_follow_each_other(hostile: Sandbox) -> None:
    """The checks above do not refuse everything: equal lengths, chunks, and one after the other."""
    twice = create(hostile, b"Content-Length: 13", b"Content-Length: 13") + ROOM
    chunked = create(hostile, b"Transfer-Encoding: chunked") + chunks(ROOM[:5], ROOM[5:])
    assert send(hostile, twice + chunked + NEXT).statuses == [201, 201, 200]


def padded(size: int) -> bytes:
    """Return a valid create of so many bytes."""
    return ROOM + b" " * (size - len(ROOM))


@pytest.mark.parametrize("zeros", [4_301, 15_000])
def test_a_length_of_zeros_is_no_error_of_ours(hostile: Sandbox, zeros: int) -> None:
    """A length that Python would not convert is answered like any other, signed in or not."""
    length = b"Content-Length: " + b"0" * zeros
    head = b"POST /v1/rooms HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    assert send(hostile, head + length + b"\r\n\r\n").statuses == [401]
    assert send(hostile, create(hostile, length, b"Connection: close")).statuses == [400]


@pytest.mark.parametrize(("headers", "status"), [(61, 201), (62, 400), (97, 400), (98, 431)])
def test_the_number_of_headers_is_bounded(hostile: Sandbox, headers: int, status: int) -> None:
    """The gateway takes 64 headers, and the server refuses more than 100."""
    more = [b"X-%d: y" % number for number in range(headers - 1)]
    answers = send(hostile, create(hostile, b"Content-Length: 13", *more) + ROOM + NEXT)
    assert answers.statuses[0] == status
    if status == 400:
        assert [each["field"] for each in answers.problem["errors"]] == ["headers"]


@pytest.mark.parametrize(("size", "status"), [(15_000, 201), (17_000, 431), (1_000_000, 431)])
def test_the_size_of_a_head_is_bounded(hostile: Sandbox, size: int, status: int) -> None:
    """A head over 16 KiB is refused, and the connection is closed."""
    head = create(hostile, b"Content-Length: 13", b"X-A: " + b"a" * size)
    answers = send(hostile, head, ROOM + NEXT)
    assert answers.statuses == ([201, 200] if status == 201 else [431])
    assert answers.closing == (status == 431)


def test_the_size_of_a_target_is_bounded(hostile: Sandbox) -> None:
    """A request line over the bound of the head is refused."""
    assert send(hostile, b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\n\r\n").statuses == [431]


@pytest.mark.parametrize("declared", [LARGEST + 1, 10**6, 2**63 - 1])
def test_a_body_declared_too_large_is_refused_at_once(hostile: Sandbox, declared: int) -> None:
    """A body over its bound is refused before it is sent, and the connection is closed."""
    answers = send(hostile, create(hostile, b"Content-Length: %d" % declared))
    assert answers.statuses == [413]
    assert answers.problem["code"] == "body_too_large"
    assert not hostile.vendor.calls


@pytest.mark.parametrize("size", [LARGEST + 1, 10**6, 10**7])
@pytest.mark.parametrize("chunked", [True, False])
def test_too_large_a_body_is_refused(hostile: Sandbox, size: int, *, chunked: bool) -> None:
    """A body over its bound is refused with a length or in chunks, as it arrives."""
    body = padded(size)
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    answers = send(hostile, create(hostile, framing), chunks(body) if chunked else body, NEXT)
    assert answers.statuses[0] == 413
    assert answers.problem["code"] == "body_too_large"
    assert not hostile.vendor.calls


def test_the_largest_body_is_taken(hostile: Sandbox) -> None:
    """The check above does not refuse everything."""
    body = padded(LARGEST)
    head = create(hostile, b"Content-Length: %d" % len(body), b"Connection: close")
    assert send(hostile, head, body).statuses == [201]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ([], b'{"title":"\xff"}', 400),
        ([], b'{"title":"\xed\xa0\x80"}', 400),
        ([], b'\xef\xbb\xbf{"title":"t"}', 400),
        ([], ROOM.decode().encode("utf-16"), 400),
        ([], b"[" * 60_000, 400),
        ([], b'{"extends":' * 5_000, 400),
        ([], b"", 400),
        ([b"Content-Type: text/plain"], ROOM, 415),
        ([b"Content-Type: application/xml"], b"<title/>", 415),
        ([b'Content-Type: application/json;x="' + b";" * 15_000], ROOM, 415),
        ([b"Content-Type: application/json;a*" + b"9" * 4_400 + b"=x"], ROOM, 415),
        ([b"Content-Type: application/json", b"Content-Type: application/json"], ROOM, 415),
        ([b"Content-Encoding: gzip"], gzip.compress(ROOM, mtime=0), 415),
        ([b"Content-Encoding: gzip"], gzip.compress(b" " * 10**7, mtime=0), 415),
        ([b"Content-Encoding: deflate, br"], ROOM, 415),
    ],
)
def test_a_body_that_is_not_json_is_refused(
    hostile: Sandbox, headers: list[bytes], body: bytes, status: int
) -> None:
    """A body with broken text, deep nesting, another type or compression is refused."""
    length = b"Content-Length: %d" % len(body)
    answers = send(hostile, create(hostile, *headers, length, b"Connection: close"), body)
    assert answers.statuses == [status]
    assert answers.problem["status"] == status
    assert not hostile.vendor.calls


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/2.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"\0" * 1000,
        b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET http://x/v1/rooms/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" + NEXT,
    ],
    ids=["0.9", "2.0", "h2", "TLS", "NUL", "CONNECT", "absolute", "WebSocket"],
)
def test_other_protocols_find_nothing(hostile: Sandbox, raw: bytes) -> None:
    """No 5xx, no other protocol, no answer to what is not asked of us."""
    answers = send(hostile, raw)
    assert set(answers.statuses) <= {200, 400, 401, 404, 405}
    assert not hostile.vendor.calls
    assert send(hostile, NEXT).statuses == [200]
