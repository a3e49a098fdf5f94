"""The line of a request: what is in it, for machines and for people."""

import io
import json
import re
from typing import Any

import pytest

from gateway.telemetry import (
    AccessLog,
    RequestContext,
    UpstreamCall,
    as_event,
    as_json,
    build_logger,
    caller_ids,
    note_call,
)

REQUEST: dict[str, Any] = {
    "request_id": "r-1",
    "method": "GET",
    "route": "/v1/rooms/{live_id}",
    "status": 200,
    "seconds": 0.0123456,
    "user_id": "alice",
    "cache": "hit",
    "calls": (),
}


def line(**changes: Any) -> Any:
    """Return the JSON line of a request."""
    stream = io.BytesIO()
    AccessLog(as_json(stream), caller_id=str.upper).write(**{**REQUEST, **changes})
    assert stream.getvalue().endswith(b"}\n")
    return json.loads(stream.getvalue())


def test_a_line() -> None:
    """What is known of a request, under the names that every event has."""
    told = line()
    assert told.pop("timestamp").endswith("Z")
    assert told == {
        "level": "info",
        "event": "request",
        "request_id": "r-1",
        "method": "GET",
        "route": "/v1/rooms/{live_id}",
        "status": 200,
        "milliseconds": 12.35,
        "caller": "ALICE",
        "cache": "hit",
    }


@pytest.mark.parametrize("name", ["user_id", "cache"])
def test_what_is_not_known_is_not_told(name: str) -> None:
    """A request without a caller, or without a room, says nothing of them."""
    assert line(**{name: None}).keys() == line().keys() - {"caller", "cache"} | (
        {"caller"} if name == "cache" else {"cache"}
    )


def test_a_client_that_left() -> None:
    """Has a line as well, without a status."""
    assert line(status=None)["status"] is None


def test_calls_upstream() -> None:
    """Their number, and of the last its code and request id."""
    calls = [UpstreamCall(0, "up-1"), UpstreamCall(601, "up-2")]
    told = line(calls=calls)
    assert (told["upstream_calls"], told["upstream_code"], told["upstream_request_id"]) == (
        2,
        601,
        "up-2",
    )


def test_a_code_of_zero_is_told() -> None:
    """It is the code of a success."""
    assert line(calls=[UpstreamCall(0, "up-1")])["upstream_code"] == 0


def test_for_people() -> None:
    """What was asked and how it ended, then what else is known; nothing that is empty."""
    stream = io.BytesIO()
    log = build_logger("info", "console", stream)
    AccessLog(as_event(log), caller_id=lambda _: None).write(**REQUEST)
    (told,) = stream.getvalue().decode().splitlines()
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d \[info     \] GET /v1/rooms/\{live_id\} 200 +"
        "milliseconds=12.35 cache=hit request_id=r-1",
        told,
    )


def test_the_trace_is_told() -> None:
    """Where there is one."""
    stream = io.BytesIO()
    log = AccessLog(as_json(stream), caller_id=str.upper, trace_id=lambda: "4bf9")
    log.write(**REQUEST)
    assert json.loads(stream.getvalue())["trace_id"] == "4bf9"


def test_a_caller_is_the_same_to_whoever_has_the_key() -> None:
    """And to nobody else; another user is another."""
    one, two = caller_ids(b"secret-key"), caller_ids(b"other-key")
    assert one("alice") == caller_ids(b"secret-key")("alice")
    assert len({one("alice"), one("bob"), two("alice"), "alice"}) == 4
    assert one("alice").isalnum()


def test_nothing_is_noted_where_nobody_serves() -> None:
    """A call outside of a request is nobody's."""
    note_call(UpstreamCall(0, "up-0"))
    context = RequestContext("r")
    context.enter()
    note_call(UpstreamCall(0, "up-1"))
    assert context.calls == (UpstreamCall(0, "up-1"),)
