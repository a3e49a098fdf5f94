"""Equal and different creates, and their outcomes."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.rooms import (
    AnchorNotRegistered,
    Caller,
    Created,
    Failed,
    FieldProblem,
    GatewayError,
    InvalidRequest,
    NewRoom,
    Outcome,
    OutcomeUnknown,
    RoomNotFound,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.rooms.idempotency import claim_for, failure
from gateway.secret import Secret
from tests.fakes.rooms import ALICE, BOB, PUSH_URL, room_of

NEW_ROOM = NewRoom(
    anchor_id="alice",
    title="Friday",
    notice="n",
    cover_url="https://example.test/",
    extends={"a": "1", "b": "2"},
    start_at=datetime(2026, 12, 2, 3, 11, 11, tzinfo=UTC),
    end_at=datetime(2026, 12, 3, tzinfo=UTC),
    publish_expire_at=datetime(2026, 12, 4, tzinfo=UTC),
)


def fingerprint(room: NewRoom) -> str:
    """Return the fingerprint of a create."""
    return claim_for(ALICE, "key", room).fingerprint


_offsets = st.integers(-14 * 60, 14 * 60).map(lambda each: timezone(timedelta(minutes=each)))


@given(_offsets, st.permutations(["a", "b"]), st.sampled_from(["start_at", "end_at"]))
def test_equal_meaning_is_the_same_create(zone: timezone, order: list[str], field: str) -> None:
    """Neither the order of `extends` nor the offset of a time makes another create."""
    assert NEW_ROOM.extends is not None
    same: dict[str, Any] = {
        "extends": {name: NEW_ROOM.extends[name] for name in order},
        field: getattr(NEW_ROOM, field).astimezone(zone),
    }
    assert fingerprint(structs.replace(NEW_ROOM, **same)) == fingerprint(NEW_ROOM)


@pytest.mark.parametrize("field", NewRoom.__struct_fields__)
def test_every_field_tells_creates_apart(field: str) -> None:
    """A create that differs in any one field is another, even where a value only moves."""
    value = getattr(NEW_ROOM, field)
    others: list[object] = [None]
    if isinstance(value, datetime):
        others.append(value + timedelta(microseconds=1))
    else:
        others += [{"a": "2", "b": "1"}, {}] if field == "extends" else [f"{value} ", ""]
    fingerprints = {fingerprint(structs.replace(NEW_ROOM, **{field: other})) for other in others}
    assert len(fingerprints) == len(others)
    assert fingerprint(NEW_ROOM) not in fingerprints


def test_a_value_in_another_field_is_another_create() -> None:
    """The same characters in another field make another create."""
    one = NewRoom(anchor_id="a", title="b", notice="c")
    assert fingerprint(one) != fingerprint(NewRoom(anchor_id="a", title="bc", notice=""))
    assert fingerprint(one) != fingerprint(NewRoom(anchor_id="a", title="b", cover_url="c"))


def test_a_key_is_the_callers() -> None:
    """Two users' equal keys make two claims, and scopes make no difference."""
    alices, bobs = (claim_for(caller, "key", NEW_ROOM) for caller in (ALICE, BOB))
    assert alices != bobs
    again = Caller("alice", frozenset({"rooms:admin"}))
    assert claim_for(again, "key", NEW_ROOM) == alices


FAILURES: list[tuple[BaseException, Outcome | None]] = [
    (AnchorNotRegistered(), Failed("anchor_not_registered")),
    (AnchorNotRegistered(sent=False), None),
    (UpstreamError("refused"), Failed("upstream_error")),
    (OutcomeUnknown("late"), Failed("outcome_unknown")),
    (UpstreamError("not connected", sent=False), None),
    (UpstreamUnavailable("open", retry_after=1), None),
    (InvalidRequest(FieldProblem("publish_expire_at", "passed")), None),
    (UpstreamTimeout("not of a create"), Failed("outcome_unknown")),
    (RoomNotFound("not of a create"), Failed("outcome_unknown")),
    (ValueError("a defect"), Failed("outcome_unknown")),
    (KeyboardInterrupt(), Failed("outcome_unknown")),
]


@pytest.mark.parametrize(("error", "outcome"), FAILURES, ids=repr)
def test_what_a_failure_comes_to(error: BaseException, outcome: Outcome | None) -> None:
    """An error has no outcome only if nothing was sent; an unexpected one is unknown."""
    assert failure(error) == outcome


@pytest.mark.parametrize("kind", [AnchorNotRegistered, UpstreamError, OutcomeUnknown])
def test_a_failure_is_told_again_as_itself(kind: type[GatewayError]) -> None:
    """An outcome raises a new error of the first one's kind, marked as a replay."""
    first = kind("first")
    failed = failure(first)
    assert failed is not None
    again = failed.error()
    assert type(again) is kind
    assert again is not failed.error()
    assert (first.replayed, again.replayed) == (False, True)


@pytest.mark.parametrize("outcome", [Created("1"), Failed("upstream_error")])
def test_an_outcome_can_be_shared(outcome: Outcome) -> None:
    """An outcome survives JSON unchanged."""
    assert msgspec.json.decode(msgspec.json.encode(outcome), type=Outcome) == outcome


def test_a_field_that_is_not_used_changes_no_fingerprint() -> None:
    """A fingerprint is made of the fields that are set, so that more fields may come."""
    assert (
        msgspec.json.encode(NewRoom(anchor_id="a", title="t")) == b'{"anchor_id":"a","title":"t"}'
    )


def test_a_viewers_room_can_be_completed() -> None:
    """A viewer's room with its `push_url` is the anchor's room again."""
    assert room_of().for_viewers().for_anchor(Secret(PUSH_URL)) == room_of()
