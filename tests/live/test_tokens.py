"""Bad tokens over real sockets: 401 as RFC 6750 says it, and no upstream call."""

import time
from typing import Any

import httpx
import jwt
import pytest

from gateway.sandbox import Sandbox
from tests import clients
from tests.conftest import running_sandbox, signed_in

REQUESTS = [
    ("GET", "/v1/rooms/room-1"),
    ("HEAD", "/v1/rooms/room-1"),
    ("POST", "/v1/rooms"),
    ("POST", "/v1/rooms/room-1/stop"),
    ("DELETE", "/v1/rooms/room-1"),
]


def secret_of(sandbox: Sandbox) -> str:
    """Return the sandbox's HS256 secret."""
    assert sandbox.settings.jwt_secret is not None
    return sandbox.settings.jwt_secret.reveal()


def signed(sandbox: Sandbox, **changes: Any) -> str:
    """Return alice's token with other claims."""
    claims = {"sub": "alice", "exp": time.time() + 60, **changes}
    return jwt.encode(claims, secret_of(sandbox), algorithm="HS256")


def bad_tokens(sandbox: Sandbox) -> dict[str, tuple[str, str]]:
    """Return a sample of bad tokens by name, with the code each gets."""
    good = sandbox.token("alice")
    header, payload, signature = good.split(".")
    claims = {"sub": "alice", "exp": time.time() + 60}
    return {
        "unsigned": (jwt.encode(claims, "", algorithm="none"), "token_invalid"),
        "without signature": (f"{header}.{payload}.", "token_invalid"),
        "another's secret": (jwt.encode(claims, "x" * 32, algorithm="HS256"), "token_invalid"),
        "another's payload": (
            f"{header}.{sandbox.token('bob').split('.')[1]}.{signature}",
            "token_invalid",
        ),
        "expired": (signed(sandbox, exp=time.time() - 60), "token_expired"),
        "never expires": (signed(sandbox, exp=None), "token_invalid"),
        "of the future": (signed(sandbox, nbf=time.time() + 60), "token_invalid"),
        "of nobody": (signed(sandbox, sub=""), "token_invalid"),
        "of a strange user": (signed(sandbox, sub="a\r\nb"), "token_invalid"),
        "four segments": (f"{good}.x", "token_invalid"),
        "too long": (signed(sandbox, pad="x" * 8192), "token_invalid"),
        "not a token": ("x", "token_invalid"),
        "two": (f"{good} {good}", "token_invalid"),
        "not ASCII": ("\u00e9.\u00e9.\u00e9", "token_invalid"),
    }


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_bad_tokens_are_refused_before_anything_else(
    client: httpx.Client, sandbox: Sandbox, method: str, path: str
) -> None:
    """Each gets its code and a challenge; nothing is sent upstream, HEAD included."""
    sandbox.vendor.calls.clear()
    for name, (token, code) in bad_tokens(sandbox).items():
        headers = {b"Authorization": f"Bearer {token}".encode("latin-1")}
        response = client.request(method, path, headers=headers)
        assert response.status_code == 401, name
        challenge = response.headers["www-authenticate"]
        assert challenge.startswith('Bearer realm="gateway", error="invalid_token"'), name
        assert response.headers["cache-control"] == "no-store"
        assert len(token) < 2 or token not in response.text + str(response.headers.multi_items())
        if method != "HEAD":
            assert response.json()["code"] == code, name
    assert not sandbox.vendor.calls


def test_a_token_that_is_too_long_is_told_so(client: httpx.Client, sandbox: Sandbox) -> None:
    """A token just too long gets an answer that names its length; one a little shorter works."""
    for pad, status, told in ((5900, 404, "no such room"), (6100, 401, "more than 8192 bytes")):
        headers = {"Authorization": f"Bearer {signed(sandbox, groups='x' * pad)}"}
        answer = client.get("/v1/rooms/room-1", headers=headers)
        assert (answer.status_code, told in answer.json()["detail"]) == (status, True)


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_a_token_in_the_wrong_place_is_none(
    client: httpx.Client, sandbox: Sandbox, method: str, path: str
) -> None:
    """Query, cookie, another scheme, a bare `Bearer` and two headers are all refused."""
    sandbox.vendor.calls.clear()
    token = sandbox.token("alice")
    bearer = ("Authorization", f"Bearer {token}")
    misplaced: list[tuple[str, list[tuple[str, str]], str]] = [
        ("", [], "token_missing"),
        (f"?access_token={token}", [], "token_missing"),
        ("", [("Cookie", f"token={token}; access_token={token}")], "token_missing"),
        ("", [("X-Authorization", f"Bearer {token}")], "token_missing"),
        ("", [("Proxy-Authorization", f"Bearer {token}")], "token_missing"),
        ("", [("Authorization", f"Basic {token}")], "token_missing"),
        ("", [("Authorization", token)], "token_missing"),
        ("", [("Authorization", "Bearer")], "token_invalid"),
        ("", [("Authorization", f"Bearer {token}, Bearer {token}")], "token_invalid"),
        ("", [bearer, bearer], "token_invalid"),
        ("", [bearer, ("Authorization", "Basic eDp5")], "token_invalid"),
    ]
    for query, headers, code in misplaced:
        response = client.request(method, path + query, headers=headers)
        assert response.status_code == 401
        has_error = "error=" in response.headers["www-authenticate"]
        assert has_error == (code != "token_missing")
        if method != "HEAD":
            assert response.json()["code"] == code
    assert not sandbox.vendor.calls


def test_a_good_token_still_works_after_all_that(client: httpx.Client, sandbox: Sandbox) -> None:
    """The same worker answers the next good request."""
    response = client.get("/v1/rooms/room-1", headers=signed_in(sandbox, "alice"))
    assert (response.status_code, response.json()["code"]) == (404, "room_not_found")


def test_the_configured_claims_are_asked_for() -> None:
    """Issuer, audience and user claim are those of the settings."""
    environ = {
        "GATEWAY_JWT_ISSUER": "https://accounts.example",
        "GATEWAY_JWT_AUDIENCE": "rooms",
        "GATEWAY_JWT_USER_CLAIM": "uid",
    }
    rows: list[tuple[dict[str, Any], int]] = [
        ({}, 404),
        ({"iss": "https://accounts.example.evil"}, 401),
        ({"aud": "room"}, 401),
        ({"aud": ["x", "rooms"]}, 404),
        ({"uid": None}, 401),
    ]
    with running_sandbox(environ=environ) as sandbox, clients.client(sandbox.url) as client:
        good = {"uid": "alice", "iss": environ["GATEWAY_JWT_ISSUER"], "aud": "rooms"}
        for changes, status in rows:
            headers = {"Authorization": f"Bearer {signed(sandbox, **(good | changes))}"}
            assert client.get("/v1/rooms/x", headers=headers).status_code == status, changes


def test_a_previous_secret_is_still_accepted() -> None:
    """Tokens made with the secret before keep working beside those of the new one."""
    previous = "previous-secret-of-more-than-32-bytes"
    with (
        running_sandbox(environ={"GATEWAY_JWT_SECRET_PREVIOUS": previous}) as sandbox,
        clients.client(sandbox.url) as client,
    ):
        claims = {"sub": "alice", "exp": time.time() + 60}
        for secret, status in ((secret_of(sandbox), 404), (previous, 404), ("x" * 40, 401)):
            token = jwt.encode(claims, secret, algorithm="HS256")
            headers = {"Authorization": f"Bearer {token}"}
            assert client.get("/v1/rooms/x", headers=headers).status_code == status
