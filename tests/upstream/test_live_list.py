"""The list of living rooms: no `push_url` comes out of it, nor a repeat of one."""

from typing import Any

import msgspec
import pytest

from gateway.upstream.faults import Broken
from gateway.upstream.live_list import Listing, ask_for_page, decode_listing
from tests.leaks.reachable import texts_in
from tests.live.fault_server import PUSH_URL, room


def listing(*rooms: Any, total: Any = 99, page: int = 1, size: int = 20, **more: Any) -> Listing:
    """Return the page that a reply with these rooms is decoded into."""
    data = {"total_count": total, "list": list(rooms), **more}
    return decode_listing(page, size, msgspec.Raw(msgspec.json.encode(data)))


def test_what_is_asked() -> None:
    """Living rooms alone."""
    asked = "/client/live/room/list?page_num=3&page_size=50&live_status=1"
    assert ask_for_page(3, 50) == asked


def test_no_push_url_comes_out() -> None:
    """Neither the URL, nor its token, nor a field of that name can be reached from the result."""
    made = listing(room("1"), {**room("2"), "room_token": PUSH_URL})
    assert [each.room.live_id for each in made.rooms] == ["1", "2"]
    assert not [text for text in texts_in(made) if PUSH_URL in text or "token=" in text]
    assert not hasattr(made.rooms[0].room, "push_url")


@pytest.mark.parametrize("field", ["title", "notice", "rtmp_url", "pk_id"])
@pytest.mark.parametrize("text", [PUSH_URL, "canary", PUSH_URL.replace("=", "%3D")])
def test_a_repeat_is_emptied(field: str, text: str) -> None:
    """A text with the room's `push_url` or its token is empty and named, as in a room alone."""
    [one] = listing({**room("1"), field: text}).rooms
    assert (getattr(one.room, field), one.repeated) == ("", (field,))


def test_odd_fields_are_repaired() -> None:
    """An odd field is empty and named, and the room is shown."""
    [one] = listing({**room("1"), "title": 7}).rooms
    assert (one.room.title, one.repaired) == ("", ("title",))


def test_unreadable_rooms_are_left_out() -> None:
    """A blank room, as legacy sends, or one that is none, fails none of the others."""
    made = listing(room("1"), {**room(""), "anchor_info": {}}, None, 7, room("2"))
    assert [each.room.live_id for each in made.rooms] == ["1", "2"]
    assert made.unreadable == 3


@pytest.mark.parametrize(
    ("rooms", "total", "page", "size", "following"),
    [
        (1, 1, 1, 1, None),
        (1, 2, 1, 1, 2),
        (1, 2, 2, 1, None),
        (2, 99, 1, 20, 2),
        (0, 99, 4, 20, None),
        (0, 0, 1, 20, None),
        (1, -5, 1, 20, None),
    ],
)
def test_the_next_page(rooms: int, total: int, page: int, size: int, following: int | None) -> None:
    """There is one until the total is reached, but none after a page without rooms."""
    made = listing(*[room(str(each)) for each in range(rooms)], total=total, page=page, size=size)
    assert made.as_page(page).next_page == following


def test_rooms_that_ended_meanwhile() -> None:
    """The vendor lists living rooms, then reads each: one that has ended by then is left out."""
    made = listing(room("1"), {**room("2"), "live_status": 2}, total=7).as_page(1)
    assert [each.live_id for each in made.rooms] == ["1"]
    assert made.total == 6


def test_no_list_is_an_empty_one() -> None:
    """Go writes an empty list as null in some builds."""
    made = decode_listing(1, 20, msgspec.Raw(b'{"total_count":0,"list":null}'))
    assert (made.rooms, made.is_last) == ((), True)


@pytest.mark.parametrize(
    "data", [b"null", b"[]", b"{}", b'{"list":7,"total_count":1}', b'{"total_count":1}', b"\xff"]
)
def test_a_reply_without_a_list(data: bytes) -> None:
    """It is broken, and not an empty page."""
    with pytest.raises(Broken):
        decode_listing(1, 20, msgspec.Raw(data))
