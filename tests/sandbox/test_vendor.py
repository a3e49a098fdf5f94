"""The simulated vendor answers by the vendor's table and keeps rooms like the vendor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.sandbox.database import Rooms, Row
from gateway.sandbox.switches import Faults
from tests.sandbox.conftest import DELETE, REGISTER, STOP

if TYPE_CHECKING:
    from gateway.sandbox.wording import DialectName
    from tests.sandbox.conftest import Client, Played

GO_ZERO_TIME = -62135596800
NOW, START, LATER = 1_800_000_000, 1_800_001_800, 1_800_086_400
START_TEXT = "2027-01-15 16:30:00"


def test_every_row_of_the_table(played: Played) -> None:
    """Status, code, message and content type are those of the dialect."""
    status, code, message, content_type = played.row.answers[played.dialect]
    envelope = played.response.json()
    assert played.response.status_code == status
    assert played.response.headers["content-type"] == content_type
    assert envelope["code"] == code
    assert envelope["message"] == message if message is not None else envelope["message"]


def test_only_rooms_and_users_come_with_data(played: Played) -> None:
    """Only successes have `data`, but not those of stops, deletes and registrations."""
    success = played.row.answers[played.dialect][:2] in {(200, 0), (200, 200)}
    carries_data = played.row.operation not in (STOP, DELETE, REGISTER)
    assert ("data" in played.response.json()) == (success and carries_data)


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


def test_counters_are_constant(client: Client) -> None:
    """Viewers, views and the anchor's presence are 0, also while the room is living."""
    room = client.room(client.living_room())
    names = ("online_count", "anchor_status", "pv", "uv", "total_count", "total_mics")
    assert [room[name] for name in names] == [0] * 6


def test_a_room_goes_live_only_when_told(client: Client) -> None:
    """A room stays created, whatever its planned times, until its anchor goes live."""
    live_id = client.new_room(start_at=START_TEXT)["live_id"]
    client.clock.now = LATER
    assert client.room(live_id)["live_status"] == 0
    client.go_live(live_id)
    room = client.room(live_id)
    assert (room["live_status"], room["start_time"]) == (1, LATER)


def test_planned_times(client: Client) -> None:
    """`start_time` and `end_time` are the planned times until the room really starts and ends."""
    created = client.new_room(start_at=START_TEXT, end_at="2027-01-15 18:00:00")
    live_id = created["live_id"]
    for room in (created, client.room(live_id)):
        assert (room["start_time"], room["end_time"]) == (START, START + 5400)
    client.go_live(live_id)
    room = client.room(live_id)
    assert (room["start_time"], room["end_time"]) == (NOW, START + 5400)
    client.clock.now += 60
    client.stop(live_id)
    room = client.room(live_id)
    assert (room["start_time"], room["end_time"]) == (NOW, NOW + 60)


def test_unset_times(client: Client) -> None:
    """An unset start is Go's zero time in the create reply and 0 in reads; an end is never 0."""
    created = client.new_room()
    read = client.room(created["live_id"])
    assert (created["start_time"], read["start_time"]) == (GO_ZERO_TIME, 0)
    assert (created["end_time"], read["end_time"]) == (GO_ZERO_TIME, GO_ZERO_TIME)


def test_times_of_older_builds(client: Client) -> None:
    """Older builds read times without a zone as UTC."""
    client.switch(timezone="UTC")
    assert client.new_room(start_at=START_TEXT)["start_time"] == START + 8 * 3600


def test_going_live_again(client: Client) -> None:
    """A living room starts again without an error; an ended or unknown one cannot."""
    live_id = client.living_room()
    client.clock.now += 60
    assert client.go_live(live_id).status_code == 200
    assert client.room(live_id)["start_time"] == NOW + 60
    client.stop(live_id)
    assert client.go_live(live_id).status_code == 409
    assert client.go_live("1").status_code == 404


def test_a_stopped_room(client: Client) -> None:
    """A stop ends the room at that moment, without a reason, and keeps `push_url`."""
    created = client.new_room()
    client.go_live(created["live_id"])
    client.clock.now += 60
    client.stop(created["live_id"])
    room = client.room(created["live_id"])
    assert (room["live_status"], room["end_time"]) == (2, NOW + 60)
    assert not {"stop_reason", "stop_user_id", "stop_at"} & room.keys()
    assert room["push_url"] == created["push_url"]


def test_a_censored_room(client: Client) -> None:
    """Only a room stopped by an administrator has a reason, a user and a time of the stop."""
    live_id = client.living_room()
    client.censor(live_id)
    room = client.room(live_id)
    assert (room["live_status"], room["stop_reason"], room["stop_user_id"]) == (
        2,
        "censor",
        "admin",
    )
    assert room["stop_at"] == room["end_time"] == NOW
    assert client.censor(live_id).status_code == 409


def test_a_delete_is_soft(client: Client) -> None:
    """A deleted room stays in the store but is never found."""
    live_id = client.new_room()["live_id"]
    before = len(client.vendor.rooms)
    client.delete(live_id)
    assert len(client.vendor.rooms) == before
    assert client.vendor.rooms.find(live_id) is None


def test_rooms_do_not_share_their_fate(client: Client) -> None:
    """Stopping one room and deleting another leaves a third alone."""
    stopped, deleted, other = (client.living_room() for _ in range(3))
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
    ("text", "expires"),
    [
        (None, NOW + 3600),
        (START_TEXT, START),
        ("2027-01-15 16:00:01", NOW + 1),
        ("2027-01-15 16:00:00", NOW + 3600),
        ("2020-01-01 00:00:00", NOW + 3600),
    ],
)
def test_the_push_url_expires(client: Client, text: str | None, expires: int) -> None:
    """A push URL has a token and an expiry: as asked, or an hour ahead if that is past."""
    fields = {} if text is None else {"publish_expire_at": text}
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
    assert "live_id" in client.create(colour="red").json()["data"]


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
    assert answer.headers["content-type"] == "text/plain"
    assert answer.text == "404 page not found"


def test_an_unsigned_call_changes_nothing(client: Client) -> None:
    """A write without a signature changes nothing."""
    live_id = client.living_room()
    client.send("POST", f"/server/live/{live_id}/stop", sign=False)
    client.send("DELETE", f"/server/live/{live_id}", sign=False)
    client.send("POST", "/server/live", json={"anchor_id": "alice"}, sign=False)
    assert client.room(live_id)["live_status"] == 1
    assert len(client.vendor.rooms) == 1


@pytest.mark.parametrize("name", ["X-Reqid", "x-reqid", "X-REQID"])
def test_the_request_id_is_echoed(client: Client, dialect: DialectName, name: str) -> None:
    """`X-Reqid`, in any case, comes back in every answer; as a header in one dialect only."""
    answer = client.send("GET", "/server/live/1", headers={name: "r-1"})
    assert answer.json()["request_id"] == "r-1"
    assert answer.headers.get("x-reqid") == ("r-1" if dialect == "documented" else None)


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
    rooms = Rooms(Faults(), lambda: 0.0, limit=3)
    made = [rooms.insert(row_of(str(number))) for number in range(5)]
    kept = [rooms.find(row.live_id) is not None for row in made]
    assert kept == [False, False, True, True, True]
    assert len(rooms) == 3


def row_of(live_id: str) -> Row:
    """Return a row with this id."""
    return Row(
        live_id=live_id,
        title="",
        notice="",
        cover_url="",
        extends="null",
        anchor_id="alice",
        start_at=None,
        end_at=None,
        chat_id=1,
        push_url="",
        rtmp_play_url="",
        flv_play_url="",
        hls_play_url="",
        created_at=0,
        updated_at=0,
    )


def test_strings_are_escaped_as_by_go(client: Client) -> None:
    """Replies write `<`, `>`, `&` and the two line separators as escapes."""
    answer = client.create(title="<b>&\u2028\u2029", extends={"k": "<"})
    assert b"\\u003cb\\u003e\\u0026\\u2028\\u2029" in answer.content
    assert b'{"k":"\\u003c"}' in answer.content
    assert not any(mark in answer.text for mark in "<>&\u2028\u2029")


def test_the_field_of_the_anchors_status_can_be_spelt_as_in_older_builds(client: Client) -> None:
    """v0.2.0 writes `AnchorStatus`."""
    client.switch(anchor_status="AnchorStatus")
    room = client.new_room()
    assert room["AnchorStatus"] == 0
    assert "anchor_status" not in room
