"""The whole table of permissions on a room, over real sockets."""

from typing import Any

import httpx
import pytest

from gateway.sandbox import Sandbox
from tests.conftest import go_live, signed_in

ROLES = {
    "nobody": None,
    "viewer": "bob",
    "other anchor": "carol",
    "anchor": "alice",
    "admin": "admin",
}

ROUTES = {
    "create for oneself": ("POST", "/v1/rooms", {"title": "t"}),
    "create for alice": ("POST", "/v1/rooms", {"title": "t", "anchor_id": "alice"}),
    "read": ("GET", "/v1/rooms/{room}", None),
    "head": ("HEAD", "/v1/rooms/{room}", None),
    "batch": ("GET", "/v1/rooms?id={room}&id=unknown", None),
    "start": ("POST", "/v1/rooms/{room}/start", None),
    "heartbeat": ("POST", "/v1/rooms/{room}/heartbeat", None),
    "living rooms": ("GET", "/v1/live-rooms", None),
    "stop": ("POST", "/v1/rooms/{room}/stop", None),
    "delete": ("DELETE", "/v1/rooms/{room}", None),
    "health": ("GET", "/healthz", None),
    "readiness": ("GET", "/readyz", None),
    "document": ("GET", "/openapi.json", None),
    "page": ("GET", "/docs", None),
}

MISSING = (401, "token_missing")
NOT_ANCHOR = (403, "not_room_anchor")
NO_SCOPE = (403, "missing_scope")
DONE = (204, None)
ROOM = (200, "viewer shape")
OWN_ROOM = (200, "anchor shape")
NEW = (201, "viewer shape")
OWN_NEW = (201, "anchor shape")
NO_BODY = (200, None)
OPEN = (200, "open")

TABLE = {
    #                       nobody   viewer      other anchor  anchor    admin
    "create for oneself": (MISSING, OWN_NEW, OWN_NEW, OWN_NEW, OWN_NEW),
    "create for alice": (MISSING, NO_SCOPE, NO_SCOPE, OWN_NEW, NEW),
    "read": (MISSING, ROOM, ROOM, OWN_ROOM, ROOM),
    "head": ((401, None), NO_BODY, NO_BODY, NO_BODY, NO_BODY),
    "batch": (MISSING, ROOM, ROOM, ROOM, ROOM),
    "start": (MISSING, NOT_ANCHOR, NOT_ANCHOR, DONE, NOT_ANCHOR),
    "heartbeat": (MISSING, NOT_ANCHOR, NOT_ANCHOR, DONE, NOT_ANCHOR),
    "living rooms": (MISSING, ROOM, ROOM, ROOM, ROOM),
    "stop": (MISSING, NOT_ANCHOR, NOT_ANCHOR, DONE, DONE),
    "delete": (MISSING, NOT_ANCHOR, NOT_ANCHOR, DONE, DONE),
    "health": (OPEN,) * 5,
    "readiness": (OPEN,) * 5,
    "document": (OPEN,) * 5,
    "page": (OPEN,) * 5,
}

CELLS = [
    (route, role, expected)
    for route, row in TABLE.items()
    for role, expected in zip(ROLES, row, strict=True)
]


@pytest.fixture(scope="module", autouse=True)
def registered(sandbox: Sandbox) -> None:
    """Let everyone of the table be an anchor."""
    for user in filter(None, ROLES.values()):
        sandbox.vendor.register(user)


def create(client: httpx.Client, sandbox: Sandbox, user: str, **fields: Any) -> Any:
    """Create a room by `user` and return it."""
    body = {"title": "t", **fields}
    response = client.post("/v1/rooms", json=body, headers=signed_in(sandbox, user))
    assert response.status_code == 201
    return response.json()


@pytest.fixture
def room(client: httpx.Client, sandbox: Sandbox) -> str:
    """A living room of alice's, while carol is the anchor of another one."""
    create(client, sandbox, "carol")
    live_id: str = create(client, sandbox, "alice")["live_id"]
    go_live(sandbox, live_id)
    sandbox.vendor.calls.clear()
    return live_id


def told(response: httpx.Response) -> tuple[int, str | None]:
    """Return the status and what the body is: a problem's code, a shape, or nothing."""
    kind = response.headers.get("content-type", "")
    if not response.content:
        return response.status_code, None
    if kind == "application/problem+json":
        return response.status_code, response.json()["code"]
    if "live_id" not in response.text or "openapi" in response.text:
        return response.status_code, "open"
    shape = "anchor shape" if "push_url" in response.text else "viewer shape"
    return response.status_code, shape


@pytest.mark.parametrize(("route", "role", "expected"), CELLS)
def test_the_table(
    client: httpx.Client,
    sandbox: Sandbox,
    room: str,
    route: str,
    role: str,
    expected: tuple[int, str | None],
) -> None:
    """Every route answers every role as the contract says, and a refusal changes nothing."""
    method, path, body = ROUTES[route]
    user = ROLES[role]
    headers = signed_in(sandbox, user) if user else {}
    response = client.request(method, path.format(room=room), json=body, headers=headers)
    assert told(response) == expected
    push_url = _stored(sandbox, room).push_url if sandbox.vendor.rooms.find(room) else "gone"
    assert (push_url in response.text) == (route == "read" and role == "anchor")
    if expected[0] in {401, 403}:
        assert all(call.method == "GET" for call in sandbox.vendor.calls)
        assert _stored(sandbox, room).live_status == 1
        assert bool(sandbox.vendor.calls) == (expected == NOT_ANCHOR)


def _stored(sandbox: Sandbox, live_id: str) -> Any:
    room = sandbox.vendor.rooms.find(live_id)
    assert room is not None
    return room


FORGERIES: list[dict[str, Any]] = [
    {"anchor_id": "alice"},
    {"user_id": "alice"},
    {"anchor_info": {"user_id": "alice"}},
    {"anchor": "alice"},
    {"extends": {"anchor_id": "alice", "user_id": "alice"}},
    {"title": '","anchor_id":"alice'},
    {"title": 't", "anchor_id": "alice", "notice": "'},
]


@pytest.mark.parametrize("fields", FORGERIES, ids=str)
def test_no_field_makes_another_the_anchor(
    client: httpx.Client, sandbox: Sandbox, fields: dict[str, Any]
) -> None:
    """A room that bob creates is his own, or is not created, with any extra fields."""
    body = {"title": "t", **fields}
    response = client.post("/v1/rooms", json=body, headers=signed_in(sandbox, "bob"))
    assert response.status_code in {201, 400, 403}
    if response.status_code == 201:
        assert response.json()["anchor_info"]["user_id"] == "bob"
        stored = sandbox.vendor.rooms.find(response.json()["live_id"])
        assert stored is not None
        assert stored.anchor_id == "bob"


@pytest.mark.parametrize(("first", "second"), [("bob", "alice"), ("alice", "bob")])
def test_a_repeated_anchor_is_checked_as_it_is_sent(
    client: httpx.Client, sandbox: Sandbox, first: str, second: str
) -> None:
    """With `anchor_id` twice, the one that the rule sees is the one that counts upstream."""
    body = f'{{"title":"t","anchor_id":"{first}","anchor_id":"{second}"}}'
    headers = {**signed_in(sandbox, "bob"), "Content-Type": "application/json"}
    response = client.post("/v1/rooms", content=body, headers=headers)
    if response.status_code == 201:
        assert response.json()["anchor_info"]["user_id"] == "bob"
    else:
        assert response.status_code in {400, 403}


@pytest.mark.parametrize(
    "headers",
    [{"X-User-Id": "alice"}, {"X-Anchor-Id": "alice"}, {"Cookie": "user=alice"}, {"From": "alice"}],
)
@pytest.mark.parametrize("query", ["", "?anchor_id=alice&user_id=alice&sub=alice"])
def test_nothing_around_the_body_changes_the_caller(
    client: httpx.Client, sandbox: Sandbox, headers: dict[str, str], query: str
) -> None:
    """Only the token says who is calling."""
    sent = {**signed_in(sandbox, "bob"), **headers}
    response = client.post(f"/v1/rooms{query}", json={"title": "t"}, headers=sent)
    assert response.json()["anchor_info"]["user_id"] == "bob"


def test_the_admin_acts_on_a_room_and_never_sees_its_push_url(
    client: httpx.Client, sandbox: Sandbox
) -> None:
    """Created for alice, read, stopped and deleted: no answer to the admin has it."""
    admin = signed_in(sandbox, "admin")
    body = {"title": "t", "anchor_id": "alice"}
    created = client.post("/v1/rooms", json=body, headers=admin)
    path = created.headers["Location"]
    push_url = _stored(sandbox, created.json()["live_id"]).push_url
    own = client.get(path, headers=signed_in(sandbox, "alice"))
    go_live(sandbox, created.json()["live_id"])
    assert own.json()["push_url"] == push_url
    answers = [
        created,
        client.get(path, headers=admin),
        client.get("/v1/rooms", params={"id": created.json()["live_id"]}, headers=admin),
        client.post(f"{path}/stop", headers=admin),
        client.get(path, headers=admin),
        client.delete(path, headers=admin),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 204, 200, 204]
    seen = "".join(answer.text + str(answer.headers) for answer in answers)
    assert "push_url" not in seen
    assert push_url not in seen
