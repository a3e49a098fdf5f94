"""`push_url` reaches nobody but its anchor, over random histories of everyone's actions."""

import itertools
from typing import Any, cast

import httpx
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    multiple,
    rule,
    run_state_machine_as_test,
)
from msgspec import Struct

from gateway.sandbox import Sandbox
from tests.conftest import go_live, signed_in

ANCHORS = ("alice", "bob", "carol", "dave")
users = st.sampled_from([*ANCHORS, "admin"])
numbers = itertools.count()


class Known(Struct):
    """A room as the model knows it."""

    live_id: str
    anchor: str
    push_url: str
    creator: str
    key: str
    body: dict[str, str]
    begun: bool = False
    ended: bool = False
    deleted: bool = False


class Histories(RuleBasedStateMachine):
    """Everyone acts on everyone's rooms; `sandbox` and `client` are set by the test."""

    sandbox: Sandbox
    client: httpx.Client
    rooms = Bundle("rooms")

    def __init__(self) -> None:
        super().__init__()
        self.etags: dict[str, str] = {}

    def call(self, user: str, method: str, path: str, **parts: Any) -> httpx.Response:
        """Send a request by `user` with further headers; nothing of another's room comes back."""
        headers = signed_in(self.sandbox, user) | parts.pop("headers", {})
        response = self.client.request(method, path, headers=headers, **parts)
        assert response.status_code < 500
        assert response.headers["x-request-id"]
        self.hides_tokens(response)
        return response

    def hides_tokens(self, response: httpx.Response) -> None:
        """No token that the vendor's client API was called with is in `response`."""
        tokens = {
            token
            for call in list(self.sandbox.vendor.calls)
            if call.raw_path.startswith("/client/")
            for token in call.values("authorization")
        }
        seen = f"{response.headers.multi_items()} {response.text}"
        assert not [token for token in tokens if token in seen or token[-20:] in seen]

    def hides(self, response: httpx.Response, push_url: str) -> None:
        """Neither the key nor the URL nor its token stands anywhere in `response`."""
        seen = f"{response.headers.multi_items()} {response.text}"
        for secret in ("push_url", push_url, push_url.partition("token=")[2]):
            assert secret not in seen

    @rule(target=rooms, user=users, anchor=st.sampled_from(ANCHORS) | st.none())
    def create(self, user: str, anchor: str | None) -> Any:
        """Create for oneself or for another."""
        body = {"title": "t"} if anchor is None else {"title": "t", "anchor_id": anchor}
        key = f"history-{next(numbers)}"
        response = self.call(user, "POST", "/v1/rooms", json=body, headers={"Idempotency-Key": key})
        whose = anchor or user
        if user not in {whose, "admin"}:
            assert (response.status_code, response.json()["code"]) == (403, "missing_scope")
            return multiple()
        assert response.status_code == 201
        live_id = response.json()["live_id"]
        stored = self.sandbox.vendor.rooms.find(live_id)
        assert stored is not None
        assert stored.anchor_id == whose
        if user == whose:
            assert response.json()["push_url"] == stored.push_url
        else:
            self.hides(response, stored.push_url)
        return Known(live_id, whose, stored.push_url, user, key, body)

    @rule(room=rooms, title=st.sampled_from(["t", "u"]))
    def create_again(self, room: Known, title: str) -> None:
        """Repeat the create of a room, or misuse its key for another."""
        body, headers = {**room.body, "title": title}, {"Idempotency-Key": room.key}
        response = self.call(room.creator, "POST", "/v1/rooms", json=body, headers=headers)
        if title != room.body["title"]:
            assert (response.status_code, response.json()["code"]) == (
                422,
                "idempotency_key_reused",
            )
        else:
            assert response.status_code == 201
            assert response.headers["idempotency-replayed"] == "true"
            assert response.json()["live_id"] == room.live_id
        if response.status_code == 201 and room.creator == room.anchor and not room.deleted:
            assert response.json()["push_url"] == room.push_url
        else:
            self.hides(response, room.push_url)

    @rule(
        room=rooms,
        user=users,
        method=st.sampled_from(["GET", "HEAD"]),
        condition=st.sampled_from(["none", "known", "any", "other"]),
    )
    def read(self, room: Known, user: str, method: str, condition: str) -> None:
        """Read with and without a condition."""
        tags = {"known": self.etags.get(room.live_id, '"x"'), "any": "*", "other": '"other"'}
        headers = {"If-None-Match": tags[condition]} if condition in tags else {}
        response = self.call(user, method, f"/v1/rooms/{room.live_id}", headers=headers)
        if room.deleted:
            assert response.status_code == 404
        elif user == room.anchor:
            assert response.status_code == 200
            assert "etag" not in response.headers
            assert response.headers["cache-control"] == "no-store"
            if method == "GET":
                assert response.json()["push_url"] == room.push_url
        else:
            assert response.status_code in ({200, 304} if condition in {"known", "any"} else {200})
            self.etags[room.live_id] = response.headers["etag"]
        if user != room.anchor or room.deleted:
            self.hides(response, room.push_url)
        if method == "HEAD" or response.status_code == 304:
            assert response.content == b""
        elif response.status_code == 200:
            assert (response.json()["live_status"] == 2) == room.ended

    @rule(first=rooms, second=rooms, user=users)
    def read_batch(self, first: Known, second: Known, user: str) -> None:
        """Read two rooms at once, in viewer shape, whosever they are."""
        asked = {room.live_id: room for room in (first, second)}
        response = self.call(user, "GET", "/v1/rooms", params={"id": list(asked)})
        assert response.status_code == 200
        found = [room["live_id"] for room in response.json()["rooms"]]
        assert found == [live_id for live_id, room in asked.items() if not room.deleted]
        assert response.json()["missing"] == [one for one in asked if asked[one].deleted]
        for room in asked.values():
            self.hides(response, room.push_url)

    @rule(room=rooms)
    def begin(self, room: Known) -> None:
        """Let a room go live."""
        if not room.ended and not room.deleted:
            go_live(self.sandbox, room.live_id)
            room.begun = True

    @rule(room=rooms, user=users)
    def start(self, room: Known, user: str) -> None:
        """Go live, which only the anchor may."""
        response = self.call(user, "POST", f"/v1/rooms/{room.live_id}/start")
        expected = self.expected(room, user if user == room.anchor else "another")
        if expected == 204 and room.ended:
            assert (response.status_code, response.json()["code"]) == (409, "room_ended")
        else:
            assert response.status_code == expected
        room.begun |= response.status_code == 204
        self.hides(response, room.push_url)

    @rule(room=rooms, user=users)
    def heartbeat(self, room: Known, user: str) -> None:
        """Keep a room living, which may not have begun, or may have ended."""
        response = self.call(user, "POST", f"/v1/rooms/{room.live_id}/heartbeat")
        expected = self.expected(room, user if user == room.anchor else "another")
        if expected == 204 and room.ended:
            assert (response.status_code, response.json()["code"]) == (409, "room_ended")
        elif expected == 204 and not room.begun and response.status_code == 409:
            assert response.json()["code"] == "room_not_live"
        else:
            assert response.status_code == expected
        self.hides(response, room.push_url)

    @rule(user=users, size=st.sampled_from([1, 2, 50]))
    def list_living(self, user: str, size: int) -> None:
        """List the living rooms, whoever asks and whosever they are."""
        response = self.call(user, "GET", f"/v1/live-rooms?page_size={size}")
        page = response.json()
        assert response.status_code == 200
        assert len(page["rooms"]) <= min(size, page["total"])
        assert all(room["live_status"] == 1 for room in page["rooms"])
        assert page["next_page"] == (2 if page["total"] > size else None)
        for row in self.sandbox.vendor.rooms.all():
            self.hides(response, row.push_url)

    @rule(room=rooms, user=users)
    def stop(self, room: Known, user: str) -> None:
        """End a room, which may not have begun."""
        response = self.call(user, "POST", f"/v1/rooms/{room.live_id}/stop")
        expected = self.expected(room, user)
        assert response.status_code == (409 if expected == 204 and not room.begun else expected)
        room.ended |= response.status_code == 204
        self.hides(response, room.push_url)

    @rule(room=rooms, user=users)
    def delete(self, room: Known, user: str) -> None:
        """Delete a room, which may be gone."""
        response = self.call(user, "DELETE", f"/v1/rooms/{room.live_id}")
        assert response.status_code == self.expected(room, user)
        room.deleted |= response.status_code == 204
        self.hides(response, room.push_url)

    @rule(room=consumes(rooms), user=users)
    def delete_for_good(self, room: Known, user: str) -> None:
        """Delete a room and leave it alone, so that others are acted on."""
        self.delete(room, user)

    def expected(self, room: Known, user: str) -> int:
        """Return the status of a write."""
        if room.deleted:
            return 404
        return 204 if user in {room.anchor, "admin"} else 403


@pytest.fixture
def machine(sandbox: Sandbox, client: httpx.Client) -> type[Histories]:
    """The state machine, bound to a running sandbox in which all are registered."""
    for user in (*ANCHORS, "admin"):
        sandbox.vendor.register(user)
    members = {"sandbox": sandbox, "client": client}
    return cast("type[Histories]", type("BoundHistories", (Histories,), members))


def test_push_url_reaches_its_anchor_only(machine: type[Histories]) -> None:
    """In any order of actions everyone is answered as the contract says."""
    bounds = settings(
        max_examples=20,
        stateful_step_count=25,
        derandomize=True,
        database=None,
    )
    run_state_machine_as_test(machine, settings=bounds)
