"""The vendor's table of replies, row by row, and replies outside of it."""

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rooms import (
    AnchorNotRegistered,
    GatewayError,
    OutcomeUnknown,
    RoomNotFound,
    RoomNotLive,
    UpstreamError,
    UpstreamFailure,
    UpstreamTimeout,
)
from gateway.upstream import Operation, Reply
from gateway.upstream.dialects import UpstreamBusy, accept
from gateway.upstream.faults import Broken, DeadlineExceeded, Fault, NotSent
from tests.live.fault_server import enveloped
from tests.upstream.dialect_table import (
    ALL,
    BESIDES,
    CLIENTS,
    CREATE,
    DELETE,
    DOCUMENTED,
    LEGACY,
    READ,
    STOP,
    USERS,
    WRITES,
)

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"


def answer(status: int, body: bytes, content_type: str | None = JSON) -> Reply:
    """Return a reply; no content type when None."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    return Reply(status, httpx.Headers(headers), body)


def error_of(fault: Fault, operation: Operation) -> GatewayError:
    """Return the error that the client of `operation` raises for a fault."""
    return fault.as_read_error() if operation is READ else fault.as_write_error()


def meaning(operation: Operation, reply: Reply) -> GatewayError | None:
    """Return what the client of `operation` raises for this reply, None for a success."""
    try:
        accept(operation, reply)
    except Fault as fault:
        return error_of(fault, operation)
    except GatewayError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("operation", "status", "code", "message", "expected"),
    DOCUMENTED + LEGACY + BESIDES + USERS + CLIENTS,
)
def test_answers(
    operation: Operation, status: int, code: int, message: str, expected: type[GatewayError] | None
) -> None:
    """Each row means the error of its last column, None being a success."""
    reply = answer(status, enveloped(code=code, message=message))
    error = meaning(operation, reply)
    assert (error and type(error)) == expected


def test_legacy_refuses_bad_json_as_plain_text() -> None:
    """An envelope in text/plain is read only if the status is a refusal."""
    refusal = enveloped(code=404, message="Not found")
    assert type(meaning(READ, answer(400, refusal, TEXT))) is RoomNotFound
    assert type(meaning(READ, answer(200, refusal, TEXT))) is UpstreamError


SUCCESS = enveloped()
NO_ENVELOPE = {
    "html": answer(200, b"<html><body>code 0</body></html>", "text/html"),
    "html that is an envelope": answer(200, SUCCESS, "text/html"),
    "text that is an envelope": answer(200, SUCCESS, TEXT),
    "octets": answer(200, SUCCESS, "application/octet-stream"),
    "empty": answer(200, b""),
    "empty without a type": answer(200, b"", None),
    "no content": answer(204, b"", None),
    "array": answer(200, b"[]"),
    "null": answer(200, b"null"),
    "another object": answer(200, b'{"status":"ok"}'),
    "code as words": answer(200, b'{"code":"ok"}'),
    "code as bool": answer(200, b'{"code":false}'),
    "code null": answer(200, b'{"code":null}'),
    "truncated": answer(200, SUCCESS[:-1]),
    "followed by more": answer(200, SUCCESS + b"{}"),
    "utf-16": answer(200, SUCCESS.decode().encode("utf-16")),
    "declared utf-16": answer(200, SUCCESS, "application/json; charset=utf-16"),
    "declared gbk": answer(200, SUCCESS, "application/json; charset=gbk"),
    "declared unknown": answer(200, SUCCESS, "application/json; charset=x-unknown"),
    "deep": answer(200, b'{"code":0,"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "gateway error": answer(502, b"<html>Bad Gateway</html>", "text/html"),
    "server error as json": answer(500, b'{"error":"down"}'),
}


@pytest.mark.parametrize("case", NO_ENVELOPE)
@pytest.mark.parametrize("operation", ALL)
def test_no_envelope(operation: Operation, case: str) -> None:
    """Without an envelope a read failed, and a write may have happened."""
    error = meaning(operation, NO_ENVELOPE[case])
    assert type(error) is (UpstreamError if operation is READ else OutcomeUnknown)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 413])
@pytest.mark.parametrize("operation", ALL)
def test_refused_without_an_envelope(operation: Operation, status: int) -> None:
    """A redirect or a 4xx says that nothing happened, whatever was asked."""
    error = meaning(operation, answer(status, b"<html></html>", "text/html"))
    assert type(error) is UpstreamError


BUSY = [
    *[(operation, 429, b"slow down", UpstreamBusy) for operation in Operation],
    *[(operation, 429, enveloped(code=429), UpstreamBusy) for operation in Operation],
    *[(operation, 200, enveloped(code=429), UpstreamBusy) for operation in Operation],
    *[(operation, 503, b"", OutcomeUnknown) for operation in WRITES],
    *[(operation, 503, enveloped(code=503), OutcomeUnknown) for operation in WRITES],
    (READ, 503, b"", UpstreamBusy),
    (READ, 503, enveloped(code=503), UpstreamBusy),
    (READ, 503, enveloped(code=500, message="record not found"), RoomNotFound),
    (STOP, 503, enveloped(code=501, message="record not found"), RoomNotFound),
    (STOP, 503, enveloped(code=501, message="live status error"), RoomNotLive),
    (CREATE, 503, enveloped(code=404, message="Not found"), AnchorNotRegistered),
]


@pytest.mark.parametrize(("operation", "status", "body", "expected"), BUSY)
def test_busy(operation: Operation, status: int, body: bytes, expected: type[GatewayError]) -> None:
    """A 429 did nothing; a 503 did nothing for a read and leaves a write's outcome unknown."""
    error = meaning(operation, answer(status, body))
    assert type(error) is expected
    if isinstance(error, UpstreamBusy):
        assert (error.sent, error.retry_after) == (False, 1)


NOW = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("30", 30),
        ("0", 1),
        ("60", 60),
        ("86400", 60),
        ("9" * 5000, 60),
        ("-1", 1),
        ("1.5", 1),
        ("²", 1),
        ("", 1),
        ("soon", 1),
        ("Fri, 15 Jan 2027 08:00:20 GMT", 20),
        ("Fri, 15 Jan 2027 09:00:00 GMT", 60),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 1),
        ("Fri, 32 Jan 2027 08:00:20 GMT", 1),
        ("Fri, 15 Jan 2027 08:00:20 +" + "9" * 5000, 1),
    ],
)
def test_a_busy_upstream_says_for_how_long(asked: str, seconds: float) -> None:
    """`Retry-After` is kept, in seconds or as a date, from one second to a minute."""
    headers = httpx.Headers([(b"Retry-After", asked.encode("latin-1"))])
    with pytest.raises(UpstreamBusy) as caught:
        accept(READ, Reply(429, headers, b""), lambda: NOW)
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    "content_type",
    [None, "application/json", JSON, 'Application/JSON; Charset="UTF-8"', "application/vnd.x+json"],
)
def test_types_of_an_envelope(content_type: str | None) -> None:
    """JSON in UTF-8 is read under any of its names, and without a declared type."""
    assert meaning(STOP, answer(200, SUCCESS, content_type)) is None


NOT_SENT, OVERDUE, BROKEN = NotSent("refused"), DeadlineExceeded("late"), Broken("cut off")

FAULTS = [
    *[(NOT_SENT, operation, UpstreamError) for operation in ALL],
    (OVERDUE, READ, UpstreamTimeout),
    (BROKEN, READ, UpstreamError),
    *[(fault, operation, OutcomeUnknown) for fault in (OVERDUE, BROKEN) for operation in WRITES],
]


@pytest.mark.parametrize(("fault", "operation", "expected"), FAULTS)
def test_faults(fault: Fault, operation: Operation, expected: type[GatewayError]) -> None:
    """Only a write that may have been sent has an unknown outcome; the reason is kept."""
    error = error_of(fault, operation)
    assert type(error) is expected
    assert isinstance(error, UpstreamFailure)
    assert error.sent is (fault is not NOT_SENT)
    assert str(error) == str(fault)


PARTS = ["application/json", "text/plain", "charset", "utf-8", "gbk", *";= *\"'/\\%(,<", "ff", "0"]


@given(
    st.sampled_from(ALL),
    st.integers(100, 999),
    st.none() | st.lists(st.sampled_from(PARTS)).map("".join),
    st.binary()
    | st.builds(enveloped, code=st.integers(-1, 700), message=st.text())
    | st.dictionaries(st.sampled_from(["code", "message"]), st.integers()).map(msgspec.json.encode),
)
def test_any_reply_means_something_documented(
    operation: Operation, status: int, content_type: str | None, body: bytes
) -> None:
    """No reply raises anything but the errors that its call documents."""
    error = meaning(operation, answer(status, body, content_type))
    documented: dict[Operation, tuple[type[GatewayError], ...]] = {
        CREATE: (AnchorNotRegistered, UpstreamError, UpstreamBusy, OutcomeUnknown),
        READ: (RoomNotFound, UpstreamError, UpstreamBusy),
        STOP: (RoomNotFound, RoomNotLive, UpstreamError, UpstreamBusy, OutcomeUnknown),
        DELETE: (RoomNotFound, UpstreamError, UpstreamBusy, OutcomeUnknown),
    }
    assert error is None or isinstance(error, documented[operation])
    if error is None:
        assert 200 <= status < 300


def test_a_create_that_did_nothing_leaves_its_key_free() -> None:
    """Code 602 comes before the vendor does anything, so the create counts as not sent."""
    body = msgspec.json.encode({"code": 602, "message": "Database error"})
    with pytest.raises(UpstreamError) as refused:
        accept(Operation.CREATE, Reply(200, httpx.Headers(), body))
    assert refused.value.sent is False
