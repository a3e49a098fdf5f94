"""Users of any identity provider, through the whole gateway and real signatures."""

from collections.abc import Iterator

import httpx
import jwt
import pytest

from gateway.sandbox import Sandbox
from tests import clients
from tests.conftest import running_sandbox, signed_in

IDS = [
    "auth0|5f7c0e2a9d1b3c4d5e6f7a8b",
    "google-oauth2|108291234567890123456",
    "spiffe://example.org/ns/live/sa/app",
    "name+tag@example.com",
    "CN=app,O=Example",
    "https://issuer.example/users/1?a=b&user_ids=bob#c",
    "a%7Cb%2e%00;'\"\\`~!*()[]{}<>^$",
    "../../../etc/passwd",
    "{0}${jndi:ldap://gateway.invalid/a}",
    "用户-😀-Jürgen",
    "0",
    "x" * 64,
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A gateway that registers its users, in front of the simulated vendor."""
    with running_sandbox(environ={"GATEWAY_REGISTER_ANCHORS": "on"}) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """A client of it."""
    with clients.client(sandbox.url) as client:
        yield client


@pytest.mark.parametrize("user_id", IDS)
def test_a_user_of_any_provider(client: httpx.Client, sandbox: Sandbox, user_id: str) -> None:
    """They create, own and stop rooms, and their keys of creates are theirs; nobody else's are."""
    headers = {**signed_in(sandbox, user_id), "Idempotency-Key": "one"}
    made = client.post("/v1/rooms", json={"title": "t"}, headers=headers)
    assert (made.status_code, made.json()["anchor_info"]["user_id"]) == (201, user_id)
    path = made.headers["Location"]
    again = client.post("/v1/rooms", json={"title": "t"}, headers=headers)
    assert (again.headers["Idempotency-Replayed"], again.headers["Location"]) == ("true", path)
    assert "push_url" in client.get(path, headers=signed_in(sandbox, user_id)).json()
    assert "push_url" not in client.get(path, headers=signed_in(sandbox, "bob")).json()
    stop = client.post(f"{path}/stop", headers=signed_in(sandbox, "bob"))
    assert stop.json()["code"] == "not_room_anchor"
    of_admin = {"title": "t", "anchor_id": user_id}
    made = client.post("/v1/rooms", json=of_admin, headers=signed_in(sandbox, "admin"))
    assert (made.status_code, made.json()["anchor_info"]["user_id"]) == (201, user_id)
    assert "push_url" not in made.json()
    assert client.delete(path, headers=signed_in(sandbox, user_id)).status_code == 204


def test_a_number_is_a_user(client: httpx.Client, sandbox: Sandbox) -> None:
    """An integer and its decimal text are the same user."""
    number = 18446744073709551616
    assert sandbox.settings.jwt_secret is not None
    token = jwt.encode(
        {**jwt.decode(sandbox.token("x"), options={"verify_signature": False}), "sub": number},
        sandbox.settings.jwt_secret.reveal(),
        algorithm="HS256",
    )
    headers = {"Authorization": f"Bearer {token}"}
    made = client.post("/v1/rooms", json={"title": "t"}, headers=headers)
    assert (made.status_code, made.json()["anchor_info"]["user_id"]) == (201, str(number))
    read = client.get(made.headers["Location"], headers=signed_in(sandbox, str(number)))
    assert "push_url" in read.json()


def test_an_id_too_long_for_the_vendor(client: httpx.Client, sandbox: Sandbox) -> None:
    """They read rooms but cannot create any, and are not registered under a part of their id."""
    long = "auth0|" + "y" * 100
    headers = signed_in(sandbox, long)
    assert client.get("/v1/rooms/1", headers=headers).json()["code"] == "room_not_found"
    before = client.get(f"{sandbox.upstream_url}/sandbox").json()["users"]
    made = client.post("/v1/rooms", json={"title": "t"}, headers=headers)
    assert made.json()["code"] == "anchor_not_registered"
    assert client.get(f"{sandbox.upstream_url}/sandbox").json()["users"] == before
