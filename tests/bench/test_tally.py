import msgspec
import pytest

from tests.bench.client import Answer
from tests.bench.faulty import anchor_of, push_url_of
from tests.bench.tally import Tally, fault_in

LIVE_ID = "1000000000000000003"
ROOM = {
    "live_id": LIVE_ID,
    "title": f"Room {LIVE_ID}",
    "cover_url": f"https://example.com/{LIVE_ID}.png",
    "extends": {"room": LIVE_ID},
    "chat_id": int(LIVE_ID) + 1,
    "hls_url": f"https://hls.bench.invalid/live/{LIVE_ID}.m3u8",
    "rtmp_url": f"rtmp://play.bench.invalid/live/{LIVE_ID}",
    "flv_url": f"https://flv.bench.invalid/live/{LIVE_ID}.flv",
    "anchor_info": {"user_id": "user3"},
}
PUSHED = ROOM | {"push_url": push_url_of(LIVE_ID)}


def test_a_right_room_has_no_fault() -> None:
    """A correct room, with `push_url` for its anchor only, has no fault."""
    assert anchor_of(LIVE_ID) == "user3"
    assert fault_in(PUSHED, LIVE_ID, "user3") is None
    assert fault_in(ROOM, LIVE_ID, "user4") is None
    assert fault_in(ROOM, LIVE_ID, None) is None


@pytest.mark.parametrize("name", [name for name in ROOM if name != "anchor_info"])
def test_a_field_of_another_room_is_found(name: str) -> None:
    """Any field of another room is a fault."""
    assert name in str(fault_in(ROOM | {name: "another's"}, LIVE_ID, "user4"))


@pytest.mark.parametrize(("room", "user"), [(PUSHED, "user4"), (PUSHED, None), (ROOM, "user3")])
def test_a_push_url_for_the_wrong_user_is_found(room: dict[str, object], user: str | None) -> None:
    """A `push_url` for a viewer or in a batch, or none for the anchor, is a fault."""
    assert "push_url" in str(fault_in(room, LIVE_ID, user))


def test_another_anchor_is_found() -> None:
    """An anchor that does not match the room's number is a fault."""
    room = ROOM | {"anchor_info": {"user_id": "user4"}}
    assert "anchor" in str(fault_in(room, LIVE_ID, "user9"))


def test_statuses_are_counted_and_judged() -> None:
    """An unexpected status is a breach, but for limits and upstream failures."""
    tally = Tally()
    for status in (200, 404, 429, 502, 503, 504, 500):
        tally.count("read", Answer(status, {}, msgspec.json.encode({})), frozenset({200}))
    assert tally.answers.total() == 7
    assert tally.breaches == {"read": 2}
    assert "500: 1" in tally.by_status()
    assert "2 breaches" in tally.by_request()[0]
