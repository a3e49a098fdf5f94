"""Successful responses: who may keep what, and when a 304 will do."""

from typing import Any

import msgspec
import pytest

from gateway.edge import answers, encode_room
from gateway.edge.answers import Answer
from gateway.rooms import AnchorRoom, Batch, CachedRoom, Creation, LookupResult, ViewerRoom
from gateway.secret import Secret
from tests.fakes.rooms import room_of

ANCHOR_ROOM = msgspec.structs.replace(
    room_of(live_id="room-1"), online_count=3, push_url=Secret("rtmp://canary")
)
ROOM = ANCHOR_ROOM.for_viewers()
SEEN = CachedRoom(encode_room(ROOM), LookupResult.MISS, max_age=2)
ETAG = SEEN.room.etag


def headers_of(answer: Answer) -> dict[str, str]:
    """Return the headers of `answer`; fails where one stands twice."""
    assert len(answer.headers) == len(dict(answer.headers))
    return {name.decode(): value.decode() for name, value in answer.headers}


def etag_of(**changes: Any) -> bytes:
    """Return the ETag of the room with other values."""
    return encode_room(msgspec.structs.replace(ROOM, **changes)).etag


def test_a_viewers_room_may_be_kept_and_revalidated() -> None:
    """The viewer's shape has a strong ETag, is private, and varies by caller."""
    answer = answers.found(SEEN, None)
    headers = headers_of(answer)
    assert answer.status == 200
    assert msgspec.json.decode(answer.body) == msgspec.to_builtins(ROOM)
    assert headers["content-type"] == "application/json"
    assert headers["content-length"] == str(len(answer.body))
    assert headers["cache-control"] == "private, max-age=2"
    assert headers["vary"] == "Authorization"
    assert headers["etag"].encode() == ETAG
    assert len(ETAG) == 34
    assert ETAG[:1] == ETAG[-1:] == b'"'


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (LookupResult.HIT, "gateway; hit"),
        (LookupResult.STALE, "gateway; hit; detail=stale"),
        (LookupResult.STALE_IF_ERROR, "gateway; hit; detail=stale"),
        (LookupResult.MISS, "gateway; fwd=miss"),
        (LookupResult.COALESCED, "gateway; fwd=miss"),
    ],
)
@pytest.mark.parametrize("condition", [None, b"*"])
def test_where_a_room_came_from_is_told(
    result: LookupResult, status: str, condition: bytes | None
) -> None:
    """`Cache-Status` is RFC 9211's, on a 200 and on a 304; the access log has the result itself."""
    answer = answers.found(CachedRoom(SEEN.room, result, max_age=0), condition)
    headers = headers_of(answer)
    assert answer.cache == result
    assert (headers["cache-status"], headers["cache-control"]) == (status, "private, max-age=0")


def test_the_etag_names_the_content() -> None:
    """The same room has the same ETag, and any change another."""
    assert etag_of() == SEEN.room.etag
    changes: list[dict[str, Any]] = [{"online_count": 4}, {"title": "u"}, {"extends": {"k": "v"}}]
    assert len({etag_of(), *(etag_of(**change) for change in changes)}) == 4


@pytest.mark.parametrize("condition", [None, b"*", ETAG])
def test_the_anchors_room_may_not_be_kept(condition: bytes | None) -> None:
    """The shape with `push_url` has no ETag, no-store, and is never answered with a 304."""
    answer = answers.found(ANCHOR_ROOM, condition)
    headers = headers_of(answer)
    assert answer.status == 200
    assert b"rtmp://canary" in answer.body
    assert headers["cache-control"] == "no-store"
    assert headers["cache-status"] == "gateway; fwd=bypass"
    assert answer.cache == "bypass"
    assert "etag" not in headers


@pytest.mark.parametrize(
    "condition",
    [
        ETAG,
        b"W/" + ETAG,
        b"*",
        b'"x", ' + ETAG,
        b'"x",' + ETAG + b',"y"',
        b'W/"x" , W/' + ETAG,
        b" " + ETAG + b"\t",
    ],
)
def test_a_known_etag_is_answered_without_a_body(condition: bytes) -> None:
    """A list, a weak tag and `*` count (RFC 9110 §13.1.2); the 304 keeps what validates."""
    answer = answers.found(SEEN, condition)
    assert (answer.status, answer.body) == (304, b"")
    whole = headers_of(answers.found(SEEN, None))
    assert headers_of(answer) == {
        name: whole[name] for name in whole if not name.startswith("content-")
    }


@pytest.mark.parametrize(
    "condition",
    [b"", b'"x"', ETAG.strip(b'"'), ETAG.upper(), b"w/" + ETAG, ETAG + b"x", b'"*"', b"**"],
)
def test_another_etag_gets_the_room(condition: bytes) -> None:
    """A tag of any other content is not a match."""
    assert answers.found(SEEN, condition).status == 200


def test_conditions_in_several_headers_are_one_list() -> None:
    """A list may be spread over headers; without any there is no condition."""
    name = b"if-none-match"
    assert answers.condition_in([(b"etag", b"x"), (b"host", b"x")]) is None
    condition = answers.condition_in([(name, b'"x"'), (b"host", b"x"), (name, ETAG)])
    assert condition is not None
    assert answers.found(SEEN, condition).status == 304


@pytest.mark.parametrize("replayed", [False, True])
@pytest.mark.parametrize("room", [ROOM, ANCHOR_ROOM])
def test_a_created_room_says_where_it_is(room: ViewerRoom | AnchorRoom, *, replayed: bool) -> None:
    """201 with Location and the room; nobody keeps it; said again, it says so."""
    answer = answers.created(Creation(room, replayed), "/live")
    headers = headers_of(answer)
    assert answer.status == 201
    assert headers.get("idempotency-replayed") == ("true" if replayed else None)
    assert headers["location"] == "/live/v1/rooms/room-1"
    assert headers["cache-control"] == "no-store"
    assert "etag" not in headers
    shown = msgspec.to_builtins(room, enc_hook=Secret.reveal)
    assert msgspec.json.decode(answer.body) == shown


def test_a_finished_write_has_no_content() -> None:
    """204, and nobody keeps it."""
    answer = answers.done()
    assert (answer.status, answer.headers, answer.body) == (204, (answers.NO_STORE,), b"")


def test_a_batch_keeps_order_and_names_the_rest() -> None:
    """Rooms stand as they were encoded, beside the ids that gave none."""
    answer = answers.batch(Batch([SEEN, SEEN], ["a"], ["b", "c"]), None)
    room = msgspec.to_builtins(ROOM)
    assert answer.status == 200
    assert msgspec.json.decode(answer.body) == {
        "rooms": [room, room],
        "missing": ["a"],
        "failed": ["b", "c"],
    }


def test_a_batch_is_asked_for_again_by_its_etag() -> None:
    """A client may keep a batch if it asks each time: 304 until something in it has changed."""
    rooms = Batch([SEEN], ["a"], [])
    first = headers_of(answers.batch(rooms, None))
    assert first["cache-control"] == "private, no-cache"
    again = answers.batch(rooms, first["etag"].encode())
    assert (again.status, again.body) == (304, b"")
    assert headers_of(again) == {name: first[name] for name in ("cache-control", "vary", "etag")}
    other = answers.batch(Batch([SEEN], [], ["a"]), first["etag"].encode())
    assert other.status == 200


@pytest.mark.parametrize(
    ("methods", "allow"),
    [
        (["GET", "DELETE", "OPTIONS"], "DELETE, GET, HEAD, OPTIONS"),
        (["POST", "OPTIONS"], "OPTIONS, POST"),
    ],
)
def test_options_names_head_beside_get(methods: list[str], allow: str) -> None:
    """HEAD is answered wherever there is a GET."""
    assert headers_of(answers.allowing(*methods))["allow"] == allow
