"""The vendor's room decoded and repaired, and the body of a create."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from gateway.rooms import UNREADABLE_PUSH_URL, AnchorRoom, NewRoom
from gateway.secret import Secret
from gateway.upstream.faults import Broken
from gateway.upstream.wire import (
    Envelope,
    decode_envelope,
    decode_room,
    decode_this_room,
    encode_create,
)
from tests.live.fault_server import PUSH_URL, ROOM, enveloped

DOCUMENTED = {
    "live_id": "live_1",
    "title": "XXX直播",
    "notice": "直播间公告",
    "cover_url": "https://xxx.png",
    "extends": {"age": "18"},
    "anchor_info": {
        "user_id": "user_1",
        "im_userid": 9000990,
        "nick": "主播1",
        "avatar": "a",
        "extends": {"age": "18"},
    },
    "anchor_status": 1,
    "pk_id": "p",
    "online_count": 3,
    "start_time": 1656315406,
    "end_time": 1656315407,
    "chat_id": 19903902,
    "push_url": PUSH_URL,
    "hls_url": "h",
    "rtmp_url": "r",
    "flv_url": "f",
    "pv": 1003,
    "uv": 934,
    "live_status": 1,
}
EXTRAS = {"room_token": "t", "total_count": 1, "total_mics": 2, "stop_reason": "x", "stop_at": 3}


def decoded(**changes: Any) -> AnchorRoom:
    """Return the documented room with `changes`, decoded."""
    return decode_room(Raw(msgspec.json.encode(DOCUMENTED | changes))).room


def test_a_documented_room_is_kept_whole() -> None:
    """Every documented field comes through as it was sent."""
    assert msgspec.to_builtins(decoded(), enc_hook=Secret.reveal) == DOCUMENTED


def test_what_is_not_documented_is_dropped() -> None:
    """Undocumented fields are dropped, in the room and in its anchor."""
    anchor = DOCUMENTED["anchor_info"]
    assert isinstance(anchor, dict)
    assert decoded(**EXTRAS, anchor_info=anchor | EXTRAS) == decoded()


def test_null_extends_become_empty() -> None:
    """`extends` that was never set is an empty object, in the room and in its anchor."""
    room = decoded(extends=None, anchor_info={"user_id": "u", "extends": None})
    assert (room.extends, room.anchor_info.extends) == ({}, {})


@pytest.mark.parametrize("field", ["start_time", "end_time"])
@pytest.mark.parametrize("unset", [0, -62135596800, -62135596800000])
def test_unset_times_become_null(field: str, unset: int) -> None:
    """Each of the vendor's ways to say "unset" is null; the other time stays."""
    expected = DOCUMENTED | {field: None}
    shown = msgspec.to_builtins(decoded(**{field: unset}), enc_hook=Secret.reveal)
    assert shown == expected


def test_only_ids_are_needed() -> None:
    """All fields but the ids of room and anchor may be absent: they are empty then, and named."""
    decoded = decode_room(Raw(b'{"live_id":"1","anchor_info":{"user_id":"u"}}'))
    room = decoded.room
    assert (room.title, room.chat_id, room.end_time, room.live_status) == ("", 0, None, 0)
    assert room.push_url is UNREADABLE_PUSH_URL
    anchors = {f"anchor_info.{name}" for name in ("im_userid", "nick", "avatar", "extends")}
    named = DOCUMENTED.keys() - {"live_id", "anchor_info", "anchor_status"} | anchors
    assert sorted(decoded.repaired) == sorted(named)


def test_a_build_without_anchor_status() -> None:
    """Builds up to v0.2.0 have no `anchor_status`: nothing is repaired."""
    rest = {name: value for name, value in DOCUMENTED.items() if name != "anchor_status"}
    for data in (rest, rest | {"AnchorStatus": 1}):
        decoded = decode_room(Raw(msgspec.json.encode(data)))
        assert (decoded.room.anchor_status, decoded.repaired) == (0, ())


@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1, -(2**63), 0])
def test_int64_ids_are_exact(number: int) -> None:
    """`chat_id` and `im_userid` survive beyond what a double holds, both ways."""
    room = decoded(chat_id=number, anchor_info={"user_id": "u", "im_userid": number})
    sent_on = msgspec.json.decode(msgspec.json.encode(room.for_viewers()))
    assert (sent_on["chat_id"], sent_on["anchor_info"]["im_userid"]) == (number, number)


@pytest.mark.parametrize(
    "live_id", ["", "a" * 65, "a/b", "a.b", "1\n", "\n1", " 1", "a%2fb", "直", "1\x00"]
)
def test_ids_that_no_room_has(live_id: str) -> None:
    """A reply whose `live_id` could not be asked for again is refused."""
    with pytest.raises(Broken):
        decoded(live_id=live_id)


@pytest.mark.parametrize("live_id", ["1", "a" * 64, "Az_-09", "1234567890123456789"])
def test_ids_that_rooms_have(live_id: str) -> None:
    """Ids within the pattern are taken as they are."""
    assert decoded(live_id=live_id).live_id == live_id


@pytest.mark.parametrize("field", ["live_id", "anchor_info"])
def test_what_names_a_room_is_required(field: str) -> None:
    """Without id or anchor there is no room."""
    rest = {name: value for name, value in DOCUMENTED.items() if name != field}
    with pytest.raises(Broken):
        decode_room(Raw(msgspec.json.encode(rest)))


def test_another_room_is_refused() -> None:
    """A reply about another room than was asked for is not used."""
    data = Raw(msgspec.json.encode(ROOM))
    assert decode_this_room("1", data).room.live_id == "1"
    for other in ("2", "", "11"):
        with pytest.raises(Broken):
            decode_this_room(other, data)


def test_the_viewers_room_has_no_push_url() -> None:
    """Neither the name nor the value is in the viewer shape's JSON."""
    shown = msgspec.json.encode(decoded().for_viewers())
    assert b"push_url" not in shown
    assert PUSH_URL.encode() not in shown


def test_nothing_here_shows_a_push_url() -> None:
    """The decoded and half-decoded shapes do not print it."""
    body = enveloped(DOCUMENTED)
    shown = [repr(each) for each in (decode_envelope(body), decoded())]
    assert not any("canary" in text for text in shown)


ZONES = st.integers(-1439, 1439).map(lambda offset: timezone(timedelta(minutes=offset)))
MOMENTS = st.builds(datetime.fromtimestamp, st.floats(0, 250_000_000_000), ZONES)


@given(MOMENTS, st.sampled_from(["Asia/Shanghai", "UTC", "America/New_York", "Asia/Kathmandu"]))
def test_times_are_told_in_the_upstreams_zone(moment: datetime, zone_name: str) -> None:
    """A moment of any offset is the zone's wall clock, to the second, without an offset."""
    zone = ZoneInfo(zone_name)
    room = NewRoom(anchor_id="a", title="t", start_at=moment)
    text = msgspec.json.decode(encode_create(room, zone))["start_at"]
    told = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone, fold=0)
    meant = [told, told.replace(fold=1)]  # which are equal
    assert moment.astimezone(UTC).replace(microsecond=0) in {each.astimezone(UTC) for each in meant}


def test_each_time_keeps_its_name() -> None:
    """Each of the three times keeps its own name."""
    times = [datetime(2026, 12, day, 4, tzinfo=UTC) for day in (1, 2, 3)]
    room = NewRoom(
        anchor_id="a", title="t", start_at=times[0], end_at=times[1], publish_expire_at=times[2]
    )
    assert msgspec.json.decode(encode_create(room, ZoneInfo("Asia/Shanghai"))) == {
        "anchor_id": "a",
        "title": "t",
        "start_at": "2026-12-01 12:00:00",
        "end_at": "2026-12-02 12:00:00",
        "publish_expire_at": "2026-12-03 12:00:00",
    }


def test_what_is_not_given_is_left_out() -> None:
    """A field that is None is absent, an empty one is sent, and text is not escaped."""
    bare = NewRoom(anchor_id="a", title="直播")
    assert encode_create(bare, ZoneInfo("UTC")) == '{"anchor_id":"a","title":"直播"}'.encode()
    empty = NewRoom(anchor_id="a", title="t", notice="", cover_url="", extends={})
    assert msgspec.json.decode(encode_create(empty, ZoneInfo("UTC"))) == {
        "anchor_id": "a",
        "title": "t",
        "notice": "",
        "cover_url": "",
        "extends": {},
    }


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)
CHANGED = st.builds(
    lambda changes: DOCUMENTED | changes, st.dictionaries(st.sampled_from(list(DOCUMENTED)), JSON)
)
BYTES = st.binary() | CHANGED.map(msgspec.json.encode) | JSON.map(msgspec.json.encode)


@given(BYTES | CHANGED.map(enveloped))
def test_any_bytes_are_an_envelope_or_none(body: bytes) -> None:
    """Decoding an envelope raises nothing."""
    assert isinstance(decode_envelope(body), Envelope | None)


@given(BYTES)
def test_any_data_is_a_room_or_broken(data: bytes) -> None:
    """Decoding a room raises nothing but Broken, and what it returns can be sent on."""
    try:
        room = decode_room(Raw(data)).room
    except Broken:
        return
    msgspec.json.encode(room, enc_hook=Secret.reveal)


def test_nesting_is_survived() -> None:
    """A deeply nested room is refused like any other unusable one."""
    with pytest.raises(Broken):
        decode_room(Raw(b'{"x":' * 100_000 + b"1" + b"}" * 100_000))
