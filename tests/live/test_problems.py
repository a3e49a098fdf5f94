"""Every refusal over real sockets is a problem with a code of the table and a request id."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from gateway.edge import PROBLEMS
from gateway.sandbox import Sandbox
from tests import clients
from tests.conftest import running_sandbox, signed_in


def assert_problem(response: httpx.Response, status: int, code: str) -> None:
    """Check that `response` is the problem `code` with all that goes with it."""
    assert response.status_code == status == PROBLEMS[code].status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "etag" not in response.headers
    if response.request.method != "HEAD":
        problem = response.json()
        assert (problem["code"], problem["status"]) == (code, status)
        assert problem["request_id"] == response.headers["x-request-id"]


@contextmanager
def gateway(**environ: str) -> Iterator[tuple[Sandbox, httpx.Client]]:
    """Run a sandbox of its own with further settings."""
    settings = {f"GATEWAY_{name}": value for name, value in environ.items()}
    with running_sandbox(environ=settings) as sandbox, clients.client(sandbox.url) as client:
        yield sandbox, client


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    "path", ["/v", "/v1", "/v2/rooms", "/v1/rooms/a/b", "/docs/x/y", "/metrics"]
)
def test_nothing_there(client: httpx.Client, method: str, path: str) -> None:
    """An unknown path must be a 404 without a token."""
    assert_problem(client.request(method, path), 404, "not_found")


def test_no_such_file_of_the_page(client: httpx.Client) -> None:
    """Any file but the page's own must be a 404."""
    assert_problem(client.get("/docs/index.html"), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/rooms", {"POST"}),
        ("PATCH", "/v1/rooms/a", {"GET", "HEAD", "DELETE"}),
        ("POST", "/v1/rooms/a", {"GET", "HEAD", "DELETE"}),
        ("GET", "/v1/rooms/a/stop", {"POST"}),
        ("HEAD", "/v1/rooms/a/stop", {"POST"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
        ("DELETE", "/openapi.json", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_named(
    client: httpx.Client, method: str, path: str, allow: set[str]
) -> None:
    """Another method must be a 405 with the methods of the path in `Allow`."""
    response = client.request(method, path)
    assert_problem(response, 405, "method_not_allowed")
    allowed = set(response.headers["allow"].split(", "))
    assert allow <= allowed
    assert method not in allowed


def _parts(size: int) -> Iterator[bytes]:
    yield b'{"title":"t"}'
    for _ in range(size // 1000):
        yield b" " * 1000


FORM = "application/x-www-form-urlencoded"

BODIES: list[tuple[bytes | int, dict[str, str], int, str]] = [
    (b"{", {}, 400, "invalid_request"),
    (b"\xff", {}, 400, "invalid_request"),
    (b"[" * 60_000, {}, 400, "invalid_request"),
    (b'{"title":"t"}' + b" " * 65_536, {}, 413, "body_too_large"),
    (66_000, {}, 413, "body_too_large"),
    (10_000_000, {}, 413, "body_too_large"),
    (b'{"title":"t"}', {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
    (b'{"title":"t"}', {"Content-Type": ""}, 415, "unsupported_media_type"),
    (b"title=t", {"Content-Type": FORM}, 415, "unsupported_media_type"),
    (b"\x1f\x8b\x08", {"Content-Encoding": "gzip"}, 415, "unsupported_media_type"),
]


@pytest.mark.parametrize(("body", "changes", "status", "code"), BODIES)
def test_a_bad_body_is_refused(
    client: httpx.Client,
    sandbox: Sandbox,
    body: bytes | int,
    changes: dict[str, str],
    status: int,
    code: str,
) -> None:
    """A bad body must be refused before any call; a number is a size, sent in chunks."""
    sandbox.vendor.calls.clear()
    content = body if isinstance(body, bytes) else _parts(body)
    headers = {**signed_in(sandbox, "alice"), "Content-Type": "application/json", **changes}
    assert_problem(client.post("/v1/rooms", content=content, headers=headers), status, code)
    assert not sandbox.vendor.calls


def test_a_room_that_has_not_begun_cannot_be_stopped(
    client: httpx.Client, sandbox: Sandbox
) -> None:
    """A stop before the start must be a conflict, and leave a room that can be deleted."""
    alice = signed_in(sandbox, "alice")
    body = {"title": "t", "start_at": "2020-01-01T00:00:00Z"}
    path = client.post("/v1/rooms", json=body, headers=alice).headers["Location"]
    assert_problem(client.post(f"{path}/stop", headers=alice), 409, "room_not_live")
    assert client.delete(path, headers=alice).status_code == 204


def test_an_anchor_the_upstream_does_not_know(client: httpx.Client, sandbox: Sandbox) -> None:
    """A caller unknown to the upstream must be told so."""
    headers = signed_in(sandbox, "nobody-registered")
    response = client.post("/v1/rooms", json={"title": "t"}, headers=headers)
    assert_problem(response, 422, "anchor_not_registered")


def test_a_failing_create(client: httpx.Client, sandbox: Sandbox) -> None:
    """The vendor's storage failure leaves the outcome unknown, without its words, after one try."""
    sandbox.vendor.calls.clear()
    sandbox.vendor.faults.failed_commits = 1
    alice = signed_in(sandbox, "alice")
    response = client.post("/v1/rooms", json={"title": "t"}, headers=alice)
    assert_problem(response, 504, "outcome_unknown")
    assert "connection" not in response.text
    assert [each.method for each in sandbox.vendor.calls].count("POST") == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/rooms/a"), ("POST", "/v1/rooms"), ("POST", "/v1/rooms/a/stop")],
)
def test_an_upstream_that_is_not_there(method: str, path: str) -> None:
    """An unreachable upstream must be a 502, with the gateway ready and the fault in `checks`."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with gateway(UPSTREAM_URL=url) as (sandbox, client):
            alice = signed_in(sandbox, "alice")
            response = client.request(method, path, json={"title": "t"}, headers=alice)
            assert_problem(response, 502, "upstream_error")
            assert "127.0.0.1" not in response.text
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (200, "ready")
            assert ready.json()["checks"]["upstream"] == "failing"


def test_credentials_that_the_upstream_refuses() -> None:
    """A wrong AK must be a 502 without a word about keys or signatures."""
    access_key = "canary-access-key-of-nobody"
    with gateway(ACCESS_KEY=access_key) as (sandbox, client):
        response = client.get("/v1/rooms/a", headers=signed_in(sandbox, "alice"))
        assert_problem(response, 502, "upstream_error")
        assert sandbox.vendor.calls
        told = response.text.lower() + str(response.headers)
        for word in (access_key, "401", "signature", "credential", "unauthorized", "key"):
            assert word not in told


def test_a_scope_to_create() -> None:
    """A caller without the create scope must get a challenge with its name."""
    with gateway(CREATE_SCOPE="rooms:create") as (sandbox, client):
        rows: list[tuple[str, list[str], int]] = [
            ("alice", [], 403),
            ("alice", ["rooms"], 403),
            ("alice", ["rooms:admin"], 403),
            ("alice", ["x", "rooms:create"], 201),
        ]
        for user, scopes, status in rows:
            headers = {"Authorization": f"Bearer {sandbox.token(user, scopes)}"}
            response = client.post("/v1/rooms", json={"title": "t"}, headers=headers)
            assert response.status_code == status
            if status == 403:
                assert_problem(response, 403, "missing_scope")
                challenge = response.headers["www-authenticate"]
                assert 'error="insufficient_scope"' in challenge
                assert 'scope="rooms:create"' in challenge
