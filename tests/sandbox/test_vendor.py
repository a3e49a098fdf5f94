"""The simulated vendor answers by the vendor's table and keeps rooms like the vendor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.sandbox.create import Create
from gateway.sandbox.database import Rooms

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client, Played

GO_ZERO_TIME = -62135596800
START, LATER = 1_800_001_800, 1_800_086_400
START_TEXT = "2027-01-15 16:30:00"


def test_every_row_of_the_table(played: Played) -> None:
    """Status, code, message and content type are those of the dialect."""
    status, code, message, content_type = played.row.answers[played.dialect]
    envelope = played.response.json()
    assert played.response.status_code == status
    assert played.response.headers["content-type"] == content_type
    assert envelope["code"] == code
    assert envelope["message"] == message if message is not None else envelope["message"]


def test_only_rooms_come_with_data(played: Played) -> None:
    """Only successful creates and reads have `data`."""
    success = played.response.json()["message"] == "success"
    carries_room = played.row.operation[1:] != ("/server/live/{live_id}/stop",)
    carries_room &= played.row.operation[0] != "delete"
    assert ("data" in played.response.json()) == (success and carries_room)


def test_a_new_room(client: Client) -> None:
    """A create reply shows the room as created, with every other field unset."""
    room = client.new_room()
    assert room["live_status"] == room["anchor_status"] == 0
    assert room["start_time"] == room["end_time"] == GO_ZERO_TIME
    assert room["extends"] is None
    assert room["title"] == room["notice"] == room["cover_url"] == room["pk_id"] == ""
    assert room["anchor_info"]["user_id"] == "alice"
    assert room["anchor_info"]["extends"] is None
    assert {"room_token", "total_count", "total_mics"} < room.keys()
    assert not {"stop_reason", "stop_user_id", "stop_at"} & room.keys()


def test_what_was_asked_is_kept(client: Client) -> None:
    """Title, notice, cover and extends come back in the create reply and in reads."""
    asked = {"title": "\u76f4\u64ad", "notice": "n", "cover_url": "c", "extends": {"k": "v"}}
    room = client.new_room(**asked)
    assert asked.items() <= room.items()
    assert asked.items() <= client.room(room["live_id"]).items()


def test_a_room_lives_from_its_creation(client: Client) -> None:
    """A room without `start_at` is live at once."""
    live_id = client.new_room()["live_id"]
    client.clock.now += 60
    room = client.room(live_id)
    assert (room["live_status"], room["anchor_status"]) == (1, 1)
    assert (room["start_time"], room["end_time"]) == (1_800_000_000, GO_ZERO_TIME)


def test_a_room_created_with_a_past_start_lives(client: Client) -> None:
    """A room with a past `start_at` is live at once."""
    room = client.room(client.new_room(start_at="2020-01-01 00:00:00")["live_id"])
    assert (room["live_status"], room["start_time"]) == (1, 1_800_000_000)


def test_a_scheduled_room_lives_from_its_start(client: Client) -> None:
    """A room stays created, with `start_time` 0 on reads, until its `start_at`."""
    created = client.new_room(start_at=START_TEXT)
    assert created["start_time"] == GO_ZERO_TIME
    client.clock.now = START - 0.001
    waiting = client.room(created["live_id"])
    assert (waiting["live_status"], waiting["anchor_status"], waiting["start_time"]) == (0, 0, 0)
    client.clock.now = START
    living = client.room(created["live_id"])
    assert (living["live_status"], living["anchor_status"], living["start_time"]) == (1, 1, START)


def test_a_stopped_room(client: Client) -> None:
    """A stop ends the room at that moment, with user and reason, and keeps `push_url`."""
    created = client.new_room()
    client.clock.now += 60
    client.stop(created["live_id"])
    client.clock.now += 60
    room = client.room(created["live_id"])
    assert (room["live_status"], room["anchor_status"]) == (2, 0)
    assert room["start_time"] == 1_800_000_000
    assert room["end_time"] == room["stop_at"] == 1_800_000_060
    assert room["stop_user_id"] == "alice"
    assert room["stop_reason"]
    assert room["push_url"] == created["push_url"]


def test_a_delete_is_soft(client: Client) -> None:
    """A deleted room stays in the store but is never found."""
    live_id = client.new_room()["live_id"]
    before = len(client.vendor.rooms)
    client.delete(live_id)
    assert len(client.vendor.rooms) == before
    assert client.vendor.rooms.find(live_id) is None


def test_rooms_do_not_share_their_fate(client: Client) -> None:
    """Stopping one room and deleting another leaves a third alone."""
    stopped, deleted, other = (client.new_room()["live_id"] for _ in range(3))
    client.stop(stopped)
    client.delete(deleted)
    assert client.room(other)["live_status"] == 1


def test_ids(client: Client) -> None:
    """Live ids are unique, increasing strings of 19 digits; numeric ids are beyond 2**53."""
    rooms = [client.new_room() for _ in range(20)]
    ids = [room["live_id"] for room in rooms]
    assert all(isinstance(live_id, str) and len(live_id) == 19 for live_id in ids)
    assert [int(live_id) for live_id in ids] == sorted({int(live_id) for live_id in ids})
    for number in (rooms[0]["chat_id"], rooms[0]["anchor_info"]["im_userid"]):
        assert 2**53 < number < 2**63


@pytest.mark.parametrize(
    ("fields", "expires"), [({}, 1_800_086_400), ({"publish_expire_at": START_TEXT}, START)]
)
def test_the_push_url_expires(client: Client, fields: dict[str, Any], expires: int) -> None:
    """A push URL has a token and an expiry, as requested or a day ahead."""
    query = parse_qs(urlsplit(client.new_room(**fields)["push_url"]).query)
    assert query["e"] == [str(expires)]
    assert query["token"][0]


def test_play_urls_are_distinct_and_without_the_push_token(client: Client) -> None:
    """Play URLs are distinct and hold nothing of the push URL."""
    room, other = client.new_room(), client.new_room()
    play = [room[name] for name in ("hls_url", "rtmp_url", "flv_url")]
    token = parse_qs(urlsplit(room["push_url"]).query)["token"][0]
    assert len({*play, room["push_url"]}) == 4
    assert not any(token in url for url in play)
    assert token not in other["push_url"]


@pytest.mark.parametrize(
    "fields",
    [
        {"anchor_id": None},
        {"anchor_id": ""},
        {"anchor_id": 1},
        {"title": None},
        {"notice": []},
        {"cover_url": {}},
        {"extends": {"k": 1}},
        {"extends": "k"},
        {"extends": None},
        {"start_at": 1_800_000_000},
        {"start_at": ""},
        {"start_at": "2027-01-15T16:30:00"},
        {"start_at": "2027-01-15 16:30:00Z"},
        {"start_at": "2027-01-15 16:30:00+08:00"},
        {"end_at": "2027-01-15 16:30:00.000"},
        {"end_at": "2027-1-15 16:30:00"},
        {"publish_expire_at": "2027-02-30 16:30:00"},
        {"publish_expire_at": "2027-01-15"},
    ],
)
def test_wrong_types_and_times_are_bad_requests(client: Client, fields: dict[str, Any]) -> None:
    """A field of the wrong type, or a time of another form, is refused."""
    assert client.create(**fields).status_code == 400
    assert len(client.vendor.rooms) == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"anchor_id":"\xff"}',
        b'{"deep":' + b"[" * 100_000,
        b'{"anchor_id":"alice"',
    ],
)
def test_malformed_bodies_are_bad_requests(client: Client, body: bytes) -> None:
    """A body that is not a JSON object with an anchor is refused."""
    answer = client.send("POST", "/server/live", content=body)
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_unknown_fields_are_ignored(client: Client) -> None:
    """Unknown fields of a create are ignored."""
    assert client.create(colour="red").json()["message"] == "success"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/server/live"),
        ("GET", "/server/live/"),
        ("POST", "/server/live/"),
        ("PUT", "/server/live"),
        ("GET", "/server/live/1/stop"),
        ("DELETE", "/server/live/1/stop"),
        ("GET", "/server/live/1%2F2"),
    ],
)
def test_unknown_calls(client: Client, method: str, path: str) -> None:
    """An unknown path or method gets a plain 404 without an envelope."""
    answer = client.send(method, path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == "404 page not found"


def test_an_unsigned_call_changes_nothing(client: Client) -> None:
    """A write without a signature changes nothing."""
    live_id = client.new_room()["live_id"]
    client.send("POST", f"/server/live/{live_id}/stop", sign=False)
    client.send("DELETE", f"/server/live/{live_id}", sign=False)
    client.send("POST", "/server/live", json={"anchor_id": "alice"}, sign=False)
    assert client.room(live_id)["live_status"] == 1
    assert len(client.vendor.rooms) == 1


def test_a_registered_user_may_be_an_anchor(client: Client) -> None:
    """A user may have rooms once registered; registering twice changes nothing."""
    assert client.create(anchor_id="late").json()["code"] == 404
    client.vendor.register("late")
    first = client.new_room(anchor_id="late")["anchor_info"]
    client.vendor.register("late")
    assert client.new_room(anchor_id="late")["anchor_info"] == first


@pytest.mark.parametrize("name", ["X-Reqid", "x-reqid", "X-REQID"])
def test_the_request_id_is_echoed(client: Client, name: str) -> None:
    """`X-Reqid`, in any case, comes back in every answer."""
    assert client.send("GET", "/server/live/1", headers={name: "r-1"}).json()["request_id"] == "r-1"


def test_a_request_id_is_made_up(client: Client) -> None:
    """Each answer to a call without `X-Reqid` has an id of its own."""
    ids = {client.get("1").json()["request_id"] for _ in range(5)}
    assert len(ids) == 5
    assert all(ids)


def test_calls_are_recorded(client: Client) -> None:
    """The last calls are recorded with their bytes, refused ones too."""
    client.send("POST", "/server/live?q=%20", content=b"{ ", headers={"X-Reqid": "r"}, sign=False)
    call = client.vendor.calls[-1]
    assert (call.method, call.target, call.body) == ("POST", "/server/live?q=%20", b"{ ")
    assert call.request_id == "r"
    assert call.values("host") == ["vendor.test:8081"]
    assert client.vendor.calls.maxlen


def test_date_follows_the_clock(client: Client) -> None:
    """The Date header follows the vendor's own clock."""
    assert client.get("1").headers["date"] == "Fri, 15 Jan 2027 08:00:00 GMT"


def test_the_oldest_rooms_are_dropped() -> None:
    """The store evicts its oldest rooms beyond its limit."""
    rooms = Rooms("sk", lambda: 0.0, limit=3)
    rooms.register("alice")
    made = [rooms.create(Create(anchor_id="alice")) for _ in range(5)]
    kept = [room is not None and rooms.find(room.live_id) is not None for room in made]
    assert kept == [False, False, True, True, True]
    assert len(rooms) == 3
