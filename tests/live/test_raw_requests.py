"""Ids and request lines as no well-behaved client would send them, byte by byte."""

import json
import re
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.sandbox import Sandbox
from tests.conftest import signed_in


def exchange(sandbox: Sandbox, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send raw bytes and return status, headers and body of the one answer."""
    address = urlsplit(sandbox.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(request)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split(" ")[1]), headers, body


def request(sandbox: Sandbox, method: bytes, target: bytes, *headers: bytes) -> bytes:
    """Return a request by alice that closes its connection."""
    token = signed_in(sandbox, "alice")["Authorization"].encode()
    lines = [
        method + b" " + target + b" HTTP/1.1",
        b"Host: gateway.test",
        b"Connection: close",
        b"Authorization: " + token,
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def problem_of(headers: dict[str, str], body: bytes) -> Any:
    """Return the problem in an answer."""
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-content-type-options"] == "nosniff"
    problem = json.loads(body)
    assert problem["request_id"] == headers["x-request-id"]
    return problem


LOOK_UP = "/server/user/infos?user_ids=gateway-check"
"""A look at the vendor's database, where its words for an unknown room are ambiguous."""

ILL_FORMED = [
    b"%00",
    b"a%00",
    b"%0d%0a",
    b"a%0d%0aX-Injected:%201",
    b"%ff",
    b"%c3%28",
    b"%2f",
    b"a%2fb%2fc",
    b"%2e%2e%2fhealthz",
    b"..",
    b"%2e%2e",
    b".",
    b";",
    b"a;b=c",
    b"a.css",
    b".css",
    b"a%20b",
    b"a+b",
    b"a%",
    b"%zz",
    b"a,b",
    b"a'--",
    b"a%22",
    b"%e7%9b%b4%e6%92%ad",
    b"a" * 65,
    b"a" * 4000,
    b"*",
    b"",
    b"/",
]


@pytest.mark.parametrize("live_id", ILL_FORMED, ids=lambda live_id: repr(live_id[:20]))
@pytest.mark.parametrize(
    ("method", "suffix"), [(b"GET", b""), (b"DELETE", b""), (b"POST", b"/stop")]
)
def test_an_illformed_id_never_reaches_the_upstream(
    sandbox: Sandbox, live_id: bytes, method: bytes, suffix: bytes
) -> None:
    """400 where the router matches, 404 or 405 where it does not; nothing is called."""
    sandbox.vendor.calls.clear()
    target = b"/v1/rooms/" + live_id + suffix
    status, headers, body = exchange(sandbox, request(sandbox, method, target))
    assert status in {400, 404, 405}
    assert problem_of(headers, body)["code"] in {
        "invalid_request",
        "not_found",
        "method_not_allowed",
    }
    assert "x-injected" not in headers
    assert not sandbox.vendor.calls


@pytest.mark.parametrize("live_id", [b"a", b"A-Z_09", b"b" * 64, b"%63", b"d?x=%00", b"e?/../f"])
def test_a_wellformed_id_does(sandbox: Sandbox, live_id: bytes) -> None:
    """The check above does not refuse everything: a good id is asked for, decoded."""
    sandbox.vendor.calls.clear()
    status, headers, body = exchange(sandbox, request(sandbox, b"GET", b"/v1/rooms/" + live_id))
    assert (status, problem_of(headers, body)["code"]) == (404, "room_not_found")
    asked = live_id.partition(b"?")[0].replace(b"%63", b"c").decode()
    asked_for = {call.target for call in sandbox.vendor.calls}
    assert asked_for - {LOOK_UP} == {f"/server/live/{asked}"}


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        (b"FOO", b"/healthz", 405),
        (b"get", b"/healthz", 405),
        (b"TRACE", b"/v1/rooms/a", 405),
        (b"M" * 15_000, b"/healthz", 405),
        (b"GET", b"/v1/rooms/" + b"a" * 246, 400),
        (b"GET", b"/v1/rooms/" + b"a" * 247, 404),
        (b"PUT", b"/v1/rooms/" + b"a" * 247, 404),
        (b"OPTIONS", b"/docs/" + b"a" * 15_000, 404),
        (b"DELETE", b"/v1/rooms/" + b"%e7%9b%b4" * 1_000, 404),
        (b"OPTIONS", b"*", 404),
        (b"GET", b"/v1/rooms/../../healthz", 404),
        (b"GET", b"/%2e%2e/healthz", 404),
        (b"GET", b"/docs/..%2f..%2fpyproject.toml", 404),
        (b"GET", b"/docs/%2e%2e", 404),
    ],
)
def test_odd_request_lines_are_problems(
    sandbox: Sandbox, method: bytes, target: bytes, status: int
) -> None:
    """Unknown methods and paths that climb get a 404 or 405 like any other."""
    answer, headers, body = exchange(sandbox, request(sandbox, method, target))
    assert answer == status
    assert problem_of(headers, body)["status"] == status


@pytest.mark.parametrize("value", [b"\xff", b"a b", b"x" * 65, b"", b"%0d%0a", b"a;b"])
def test_an_odd_request_id_is_replaced(sandbox: Sandbox, value: bytes) -> None:
    """Only a well-formed id comes back."""
    sent = request(sandbox, b"GET", b"/healthz", b"X-Request-Id: " + value)
    status, headers, _ = exchange(sandbox, sent)
    assert status == 200
    assert headers["x-request-id"].encode() != value
    assert re.fullmatch("[0-9a-f]{16,64}", headers["x-request-id"])


def test_head_has_the_headers_of_get_and_no_body(sandbox: Sandbox) -> None:
    """The length is that of the body that GET sends."""
    _, _, body = exchange(sandbox, request(sandbox, b"GET", b"/openapi.json"))
    status, headers, nothing = exchange(sandbox, request(sandbox, b"HEAD", b"/openapi.json"))
    assert (status, nothing) == (200, b"")
    assert headers["content-length"] == str(len(body))


def test_the_server_tells_no_version(sandbox: Sandbox) -> None:
    """The `Server` header, if there is one, is a name only."""
    _, headers, _ = exchange(sandbox, request(sandbox, b"GET", b"/healthz"))
    assert not any(digit in headers.get("server", "") for digit in "0123456789/")
