"""The access rules: every kind of caller against every rule."""

from contextlib import nullcontext

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rooms import AnchorRoom, Caller, MissingScope, NotRoomAnchor, Scopes, ViewerRoom
from gateway.rooms.policy import is_anchor, require_control, require_create, shape_for
from gateway.secret import Secret
from tests.fakes.rooms import ADMIN, ALICE, BOB, BOB_SCOPED, PUSH_URL, SCOPES, room_of

CREATE_SCOPED = Scopes(admin="rooms:admin", create="rooms:create")
ALICE_CREATOR = Caller("alice", frozenset({"rooms:create"}))
ADMIN_CREATOR = Caller("root", frozenset({"rooms:create", "rooms:admin"}))
LOOKALIKES = [Caller(user_id) for user_id in ("Alice", "alice ", "alic", "alice2", "al:ice", "")]

ALL = {
    "the anchor": ALICE,
    "a viewer": BOB,
    "a viewer with other scopes": BOB_SCOPED,
    "an admin": ADMIN,
    **{f"a user called {each.user_id!r}": each for each in LOOKALIKES},
}


@pytest.mark.parametrize("kind", ALL)
def test_push_url_is_for_the_anchor(kind: str) -> None:
    """Only the anchor gets the shape with `push_url`; an admin is a viewer."""
    caller = ALL[kind]
    shape = shape_for(caller, room_of("alice"))
    assert is_anchor(caller, room_of("alice")) is (caller is ALICE)
    assert type(shape) is (AnchorRoom if caller is ALICE else ViewerRoom)
    shown = msgspec.json.encode(shape, enc_hook=Secret.reveal)
    assert (PUSH_URL.encode() in shown) is (caller is ALICE)


@pytest.mark.parametrize("kind", ALL)
def test_control_is_for_the_anchor_and_admins(kind: str) -> None:
    """Others may not stop or delete, with any other scopes."""
    caller = ALL[kind]
    if caller in (ALICE, ADMIN):
        require_control(caller, room_of("alice"), SCOPES)
    else:
        with pytest.raises(NotRoomAnchor):
            require_control(caller, room_of("alice"), SCOPES)


CREATES: list[tuple[Caller, str, Scopes, str | None]] = [
    (ALICE, "alice", SCOPES, None),
    (ALICE, "bob", SCOPES, "rooms:admin"),
    (BOB_SCOPED, "alice", SCOPES, "rooms:admin"),
    (ADMIN, "root", SCOPES, None),
    (ADMIN, "alice", SCOPES, None),
    (ALICE, "alice", CREATE_SCOPED, "rooms:create"),
    (ALICE_CREATOR, "alice", CREATE_SCOPED, None),
    (ALICE_CREATOR, "bob", CREATE_SCOPED, "rooms:admin"),
    (ADMIN, "root", CREATE_SCOPED, "rooms:create"),
    (ADMIN, "alice", CREATE_SCOPED, "rooms:create"),
    (ADMIN_CREATOR, "alice", CREATE_SCOPED, None),
]


@pytest.mark.parametrize(("caller", "anchor_id", "scopes", "missing"), CREATES)
def test_creating(caller: Caller, anchor_id: str, scopes: Scopes, missing: str | None) -> None:
    """A create needs the create scope if one is set, and for another user the admin scope."""
    if missing is None:
        require_create(caller, anchor_id, scopes)
    else:
        with pytest.raises(MissingScope) as caught:
            require_create(caller, anchor_id, scopes)
        assert caught.value.scope == missing


USERS = st.text("abA._@:-1", min_size=1, max_size=4)
CALLERS = st.builds(Caller, USERS, st.frozensets(st.sampled_from(["rooms:admin", "x", "push_url"])))


@given(CALLERS, USERS)
def test_push_url_reaches_nobody_else(caller: Caller, anchor_id: str) -> None:
    """Any caller gets a `push_url` only with a room of their own."""
    shown = msgspec.json.encode(shape_for(caller, room_of(anchor_id)), enc_hook=Secret.reveal)
    assert (b"canary" in shown) is (caller.user_id == anchor_id)


@given(CALLERS, USERS, st.sampled_from([SCOPES, CREATE_SCOPED]))
def test_nobody_acts_for_another_without_the_admin_scope(
    caller: Caller, anchor_id: str, scopes: Scopes
) -> None:
    """The rules allow a caller's own rooms, and all rooms to an admin."""
    entitled = caller.user_id == anchor_id or "rooms:admin" in caller.scopes
    with nullcontext() if entitled else pytest.raises(NotRoomAnchor):
        require_control(caller, room_of(anchor_id), scopes)
    allowed = entitled and scopes is SCOPES
    with nullcontext() if allowed else pytest.raises(MissingScope):
        require_create(caller, anchor_id, scopes)
