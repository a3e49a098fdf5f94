"""Users of the simulated vendor: registration, look-ups, and ids compared as by its database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox.accounts import folded

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client

SAME = [
    "alice",
    "ALICE",
    "Alice",
    "\u00e0lice",
    "ALIC\u00c9",
    "ali\u0301ce",
    "al\u0131ce",
    "alice  ",
]


def infos(client: Client, *user_ids: str) -> list[dict[str, Any]]:
    """Look users up and return what is known."""
    known: list[dict[str, Any]] = client.infos(*user_ids).json()["data"]
    return known


@pytest.mark.parametrize("user_id", SAME)
def test_a_create_by_another_spelling_is_alices(client: Client, user_id: str) -> None:
    """A create for ALICE makes a room of alice, whose row keeps the spelling."""
    room = client.new_room(anchor_id=user_id)
    assert room["anchor_info"]["user_id"] == "alice"
    assert client.room(room["live_id"])["anchor_info"]["user_id"] == "alice"
    row = client.vendor.rooms.find(room["live_id"])
    assert row is not None
    assert row.anchor_id == user_id


@pytest.mark.parametrize("user_id", ["alic", "alicee", "a lice", " alice", "bob"])
def test_other_ids_stay_apart(user_id: str) -> None:
    """Only case, accents and trailing spaces are ignored."""
    assert folded(user_id) != folded("alice")


def test_characters_beyond_the_first_plane_are_alike() -> None:
    """The collation has one weight for all of them."""
    assert folded("x\U0001f600") == folded("x\U0001f680") != folded("x")


@given(st.text())
def test_folding_is_stable(user_id: str) -> None:
    """A folded id is equal to itself, folded again, and to itself in upper case."""
    assert folded(folded(user_id)) == folded(user_id)


def test_a_look_up_names_each_known_user_once(client: Client) -> None:
    """Unknown ids are missing; spellings of one user give one entry, in the user's own."""
    assert [user["user_id"] for user in infos(client, "bob", "ALICE", "x", "alice")] == [
        "alice",
        "bob",
    ]
    assert infos(client, "nobody") == []


def test_a_user_as_shown(client: Client) -> None:
    """A look-up shows nick, avatar, numeric id and extends, never a password."""
    client.register("carol", nick="Carol", avatar="https://x.test/c.png", extends={"age": "18"})
    [carol] = infos(client, "carol")
    number = carol.pop("im_userid")
    assert 2**53 < number < 2**63
    assert carol == {
        "user_id": "carol",
        "nick": "Carol",
        "avatar": "https://x.test/c.png",
        "extends": {"age": "18"},
    }
    single = client.send("GET", "/server/user/info/CAROL").json()["data"]
    assert single == {**carol, "im_userid": number}
    assert client.new_room(anchor_id="carol")["anchor_info"] == single


def test_a_registered_user_may_be_an_anchor(client: Client) -> None:
    """A user may have rooms once registered; a second registration changes nothing."""
    assert client.create(anchor_id="late").json()["code"] == 404
    client.register("late", nick="first")
    client.register("LATE", nick="second")
    assert client.new_room(anchor_id="late")["anchor_info"]["nick"] == "first"


@pytest.mark.parametrize(
    "fields", [{"user_id": "u" * 65}, {"nick": "n" * 65}, {"avatar": "a" * 256}]
)
def test_users_have_column_limits_too(client: Client, fields: dict[str, str]) -> None:
    """Longer text is refused, or cut in silence with a lax mode."""
    sent = {"user_id": "dave", **fields}
    [(name, text)] = fields.items()
    assert client.register(**sent).json()["code"] == 500
    client.switch(sql_mode="lax")
    assert client.register(**sent).json()["code"] == 0
    assert client.send("GET", "/sandbox", sign=False).json()["users"][2:] == [sent["user_id"][:64]]
    [user] = infos(client, sent["user_id"][:64])
    assert user[name] == text[:-1]


def test_a_lagging_replica_does_not_know_a_new_user(client: Client) -> None:
    """Within the lag a new user is unknown, and a second registration is an internal error."""
    client.switch(lag=1)
    assert client.register("carol").json()["code"] == 0
    assert infos(client, "carol", "alice") == infos(client, "alice")
    assert client.create(anchor_id="carol").json()["code"] == 404
    assert client.register("carol").json()["code"] == 500
    client.clock.now += 1
    assert len(infos(client, "carol")) == 1
    assert client.create(anchor_id="carol").status_code == 200


def test_at_most_200_users_at_once(client: Client) -> None:
    """A look-up of more is refused."""
    assert client.infos(*(["alice"] * 200)).status_code == 200
    assert client.infos(*(["alice"] * 201)).status_code == 400
