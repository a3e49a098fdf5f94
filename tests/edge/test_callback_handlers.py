"""The vendor's callbacks as they arrive: the ids in them, and nothing else."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.callback_handlers import hint_in
from gateway.rooms import Hint, InvalidRequest, is_live_id

REQID = (b"x-reqid", b"id-1")
ROW = {
    "id": 7,
    "live_id": "2125726873487937536",
    "title": "t",
    "extends": {"live_id": "other"},
    "push_url": "rtmp://push.example.test/live/1?token=canary",
}


def event(kind: object, body: object) -> bytes:
    """Return a callback's body."""
    return json.dumps({"type": kind, "body": body}).encode()


@pytest.mark.parametrize(
    ("kind", "body", "live_ids"),
    [
        ("live_created", ROW, ("2125726873487937536",)),
        ("live-created", ROW, ("2125726873487937536",)),
        ("live_started", {"live_id": "a-B_9"}, ("a-B_9",)),
        ("live_stopped", {"live_id": 2125726873487937536}, ("2125726873487937536",)),
        ("live_deleted", {"live_id": "x" * 64}, ("x" * 64,)),
        ("pk_started", {"init_room_id": "1", "recv_room_id": "2", "sid": "3"}, ("1", "2")),
        ("pk_stopped", {"init_room_id": "1", "recv_room_id": ""}, ("1",)),
        ("pk_stopped", {"init_room_id": "1", "recv_room_id": "1"}, ("1",)),
        ("live_stopped", {"live_id": "x" * 65}, ()),
        ("live_stopped", {"live_id": "../x"}, ()),
        ("live_stopped", {"live_id": "1\n"}, ()),
        ("live_stopped", {"live_id": ""}, ()),
        ("live_stopped", {"live_id": -1}, ()),
        ("live_stopped", {"live_id": 2**63}, ()),
        ("live_stopped", {"live_id": 1.5}, ()),
        ("live_stopped", {"live_id": True}, ()),
        ("live_stopped", {"live_id": None}, ()),
        ("live_stopped", {"live_id": ["1"]}, ()),
        ("live_stopped", {}, ()),
        ("live_stopped", None, ()),
        ("live_stopped", "1", ()),
        ("live_stopped", [{"live_id": "1"}], ()),
        ("gift_send", {"live_id": "1"}, ()),
        ("LIVE_STOPPED", {"live_id": "1"}, ()),
        ("live_stopped ", {"live_id": "1"}, ()),
        ("xlive_stopped", {"live_id": "1"}, ()),
        ("", {"live_id": "1"}, ()),
    ],
)
def test_the_rooms_of_a_callback(kind: str, body: object, live_ids: tuple[str, ...]) -> None:
    """The rooms are those of a known type with well-formed ids; all else tells of none."""
    assert hint_in(event(kind, body), []) == Hint(live_ids)


def test_a_callback_without_a_body_tells_of_no_room() -> None:
    """A body need not be there."""
    assert hint_in(b'{"type":"live_stopped"}', []) == Hint()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"live_stopped"',
        b"null",
        b"{}",
        event(7, {"live_id": "1"}),
        event(None, {"live_id": "1"}),
        event("live_stopped", {"live_id": "1"}) + b"x",
        event("live_stopped", {"live_id": "1"})[:-1],
        b'{"type":"live_stopped","body":{"live_id":"1",}}',
        b'{"type":"live_stopped\xff","body":{}}',
        b'{"type":"live_stopped","body":' + b"[" * 30_000 + b"}",
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    """A body that is no JSON object with a type is refused, and the refusal quotes none of it."""
    with pytest.raises(InvalidRequest) as caught:
        hint_in(body, [])
    [problem] = caught.value.problems
    assert (problem.field, problem.message) == ("body", "must be a JSON object with a `type`")
    assert caught.value.__context__ is None


def test_digits_without_end_are_no_id() -> None:
    """A number of 60,000 digits is answered as any other that is no id."""
    body = b'{"type":"live_stopped","body":{"live_id":' + b"9" * 60_000 + b"}}"
    assert hint_in(body, []) == Hint()


@pytest.mark.parametrize(
    ("kind", "headers", "created_by"),
    [
        ("live_created", [REQID], "id-1"),
        ("live-created", [REQID], "id-1"),
        ("live_created", [], None),
        ("live_created", [REQID, REQID], None),
        ("live_created", [(b"x-reqid", b"a b")], None),
        ("live_created", [(b"x-reqid", b"x" * 65)], None),
        ("live_created", [(b"x-reqid", b"\xff")], None),
        ("live_created", [(b"x-request-id", b"id-1")], None),
        ("live_started", [REQID], None),
    ],
)
def test_the_create_of_a_callback(
    kind: str, headers: list[tuple[bytes, bytes]], created_by: str | None
) -> None:
    """Only a callback about a new room names a create, by one well-formed request id."""
    assert hint_in(event(kind, ROW), headers).created_by == created_by


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
IDS = st.dictionaries(st.sampled_from(["live_id", "init_room_id", "recv_room_id", "x"]), JSON)
TYPES = st.sampled_from(["live_created", "pk_started", "gift_send"]) | st.text()


@given(kind=TYPES, body=IDS | JSON)
def test_any_callback_gives_well_formed_ids(kind: str, body: Any) -> None:
    """Whatever is in a callback, no more than three well-formed ids come out of it."""
    hint = hint_in(msgspec.json.encode({"type": kind, "body": body}), [])
    assert len(hint.live_ids) <= 3
    assert all(map(is_live_id, hint.live_ids))
