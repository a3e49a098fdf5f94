"""OAuth clients find the issuer: RFC 9728 over real sockets."""

import re
import socket

import httpx

from gateway.sandbox import Sandbox
from tests import clients
from tests.conftest import running_sandbox, signed_in

ISSUER = "https://accounts.example.com"
PATH = "/.well-known/oauth-protected-resource"


def challenge_of(answer: httpx.Response) -> str | None:
    """Return the `resource_metadata` of a response's challenge."""
    challenge = answer.headers["www-authenticate"]
    found = re.search(r'^Bearer realm="gateway",.* ?resource_metadata="([^"]*)"', challenge)
    return found[1] if found else None


def test_a_client_finds_the_issuer() -> None:
    """Every 401 names the metadata: the resource is the origin asked, the issuer is ours."""
    environ = {"GATEWAY_JWT_ISSUER": ISSUER, "GATEWAY_CREATE_SCOPE": "rooms:create"}
    with running_sandbox(environ=environ) as sandbox, clients.client(sandbox.url) as client:
        expired = sandbox.token("alice")[:-3]
        for headers in ({}, {"Authorization": f"Bearer {expired}"}, {"Authorization": "Bearer"}):
            for method, path in (
                ("GET", "/v1/rooms/1"),
                ("POST", "/v1/rooms"),
                ("HEAD", "/v1/rooms"),
                ("DELETE", "/v1/rooms/1"),
            ):
                refused = client.request(method, path, headers=headers)
                assert refused.status_code == 401
                assert challenge_of(refused) == f"{sandbox.url}{PATH}"
        told = client.get(challenge_of(refused) or "")
        assert (told.status_code, told.headers["content-type"]) == (200, "application/json")
        assert told.headers["cache-control"] == "no-store"
        assert told.json() == {
            "resource": sandbox.url,
            "authorization_servers": [ISSUER],
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["rooms:create"],
        }
        assert client.head(PATH).status_code == 200
        short = client.post("/v1/rooms", json={"title": "t"}, headers=signed_in(sandbox, "alice"))
        assert (short.status_code, challenge_of(short)) == (403, f"{sandbox.url}{PATH}")
        behind_a_proxy = {"Host": "live.example.com", "X-Forwarded-Host": "evil.example"}
        told = client.get(PATH, headers=behind_a_proxy)
        assert told.json()["resource"] == "https://live.example.com"
        assert client.get(PATH, headers={"Host": 'a", error="b'}).status_code == 400
        host, port = sandbox.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as old:
            old.sendall(f"GET {PATH} HTTP/1.0\r\n\r\n".encode())
            answer = old.makefile().read()
        assert answer.startswith("HTTP/1.0 400")
        assert '"field":"Host"' in answer


def test_without_an_issuer_there_is_no_metadata(client: httpx.Client, sandbox: Sandbox) -> None:
    """Without an issuer, or with one that is no URL, path and parameter do not exist."""
    assert client.get(PATH).json()["code"] == "not_found"
    assert challenge_of(client.get("/v1/rooms/1")) is None
    assert sandbox.settings.jwt_issuer is None
    with running_sandbox(environ={"GATEWAY_JWT_ISSUER": "accounts"}) as named:
        assert clients.get(f"{named.url}{PATH}").json()["code"] == "not_found"
