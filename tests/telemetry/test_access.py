"""The access line of a request, for machines and for people."""

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
    "cut": False,
    "seconds": 0.0123456,
    "user_id": "alice",
    "cache": "hit",
    "refused": None,
    "calls": (),
}


def line(**changes: Any) -> Any:
    """Return the JSON line of a request."""
    stream = io.BytesIO()
    AccessLog(as_json(stream), caller_id=str.upper).write(**{**REQUEST, **changes})
    assert stream.getvalue().endswith(b"}\n")
    return json.loads(stream.getvalue())


def test_a_line() -> None:
    """A line has the facts of its request, and the fields of every event."""
    logged = line()
    assert logged.pop("timestamp").endswith("Z")
    assert logged == {
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


def test_a_method_is_cut() -> None:
    """A line does not grow with a method that a client made up."""
    assert line(method="M" * 15_000)["method"] == "M" * 32


@pytest.mark.parametrize("name", ["user_id", "cache"])
def test_unknown_fields_are_left_out(name: str) -> None:
    """The line of a request without a caller, or without a room, has no such field."""
    assert line(**{name: None}).keys() == line().keys() - {"caller", "cache"} | (
        {"caller"} if name == "cache" else {"cache"}
    )


def test_a_client_that_left() -> None:
    """A request whose client left has a line without a status."""
    assert line(status=None)["status"] is None


def test_calls_upstream() -> None:
    """A line has the number of upstream calls, and the code and request id of the last."""
    calls = [UpstreamCall(0, "up-1"), UpstreamCall(601, "up-2")]
    logged = line(calls=calls)
    assert (logged["upstream_calls"], logged["upstream_code"], logged["upstream_request_id"]) == (
        2,
        601,
        "up-2",
    )


def test_a_code_of_zero_is_logged() -> None:
    """The code of a success, 0, is logged like any other."""
    assert line(calls=[UpstreamCall(0, "up-1")])["upstream_code"] == 0


def test_for_people() -> None:
    """A line for people has method, route and status, then the other known fields."""
    stream = io.BytesIO()
    log = build_logger("info", "console", stream)
    AccessLog(as_event(log), caller_id=lambda _: None).write(**REQUEST)
    (logged,) = stream.getvalue().decode().splitlines()
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d \[info     \] GET /v1/rooms/\{live_id\} 200 +"
        "milliseconds=12.35 cache=hit request_id=r-1",
        logged,
    )


def test_the_trace() -> None:
    """A line has the id of its trace."""
    stream = io.BytesIO()
    log = AccessLog(as_json(stream), caller_id=str.upper, trace_id=lambda: "4bf9")
    log.write(**REQUEST)
    assert json.loads(stream.getvalue())["trace_id"] == "4bf9"


def test_a_caller_is_the_same_to_whoever_has_the_key() -> None:
    """A caller id depends on the user and on the key, and on nothing else."""
    one, two = caller_ids(b"secret-key"), caller_ids(b"other-key")
    assert one("alice") == caller_ids(b"secret-key")("alice")
    assert len({one("alice"), one("bob"), two("alice"), "alice"}) == 4
    assert one("alice").isalnum()


def test_a_call_outside_of_a_request() -> None:
    """A call outside of a request is not recorded."""
    note_call(UpstreamCall(0, "up-0"))
    context = RequestContext("r")
    context.enter()
    note_call(UpstreamCall(0, "up-1"))
    assert context.calls == (UpstreamCall(0, "up-1"),)
