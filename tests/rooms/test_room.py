"""The two shapes of a room: their fields, and the secret in one of them."""

import msgspec
import pytest
from rich.pretty import pretty_repr

from gateway.rooms import AnchorRoom, NewRoom, ViewerRoom
from gateway.secret import Secret
from tests.fakes.rooms import CREATED, ENDED, LIVING, PUSH_URL, room_of

ROOM = room_of()

CONTRACT = {
    *("live_id", "title", "notice", "cover_url", "extends", "anchor_info", "anchor_status"),
    *("pk_id", "online_count", "start_time", "end_time", "chat_id", "hls_url", "rtmp_url"),
    *("flv_url", "pv", "uv", "live_status"),
}


def test_the_viewers_fields() -> None:
    """The viewer shape is the contract's allow-list, in the room and in its anchor."""
    shown = msgspec.to_builtins(ROOM.for_viewers())
    assert set(shown) == CONTRACT
    assert sorted(shown["anchor_info"]) == ["avatar", "extends", "im_userid", "nick", "user_id"]


def test_the_shapes_differ_by_push_url_alone() -> None:
    """The anchor shape is the viewer shape and `push_url`, value by value."""
    assert set(AnchorRoom.__struct_fields__) - set(ViewerRoom.__struct_fields__) == {"push_url"}
    whole = msgspec.to_builtins(ROOM, enc_hook=Secret.reveal)
    assert whole.pop("push_url") == PUSH_URL
    assert msgspec.to_builtins(ROOM.for_viewers()) == whole


def test_a_viewers_room_cannot_have_a_push_url() -> None:
    """The viewer shape has no `push_url`, and is no subtype of the anchor shape."""
    viewer = ROOM.for_viewers()
    assert not hasattr(viewer, "push_url")
    assert not isinstance(ROOM, ViewerRoom)
    assert not isinstance(viewer, AnchorRoom)
    with pytest.raises(TypeError, match="push_url"):
        ViewerRoom(**msgspec.structs.asdict(ROOM))


def test_an_anchors_room_does_not_print_its_push_url() -> None:
    """Printing a room, alone or in a container, shows all but its `push_url`."""
    for text in (repr(ROOM), str(ROOM), f"{ROOM}", f"{[ROOM]}", pretty_repr(ROOM)):
        assert "canary" not in text
        assert "'1'" in text


def test_an_anchors_room_is_not_encoded_by_accident() -> None:
    """A room is JSON only with a hook that reveals its `push_url`."""
    for encode in (msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins):
        with pytest.raises(TypeError, match="Secret"):
            encode(ROOM)


@pytest.mark.parametrize(
    ("live_status", "ended"), [(CREATED, False), (LIVING, False), (ENDED, True)]
)
def test_has_ended(live_status: int, *, ended: bool) -> None:
    """A room has ended only in state 2."""
    assert room_of(live_status=live_status).has_ended is ended


def test_rooms_do_not_change() -> None:
    """Rooms with equal values are equal."""
    for room in (ROOM, ROOM.for_viewers(), NewRoom(anchor_id="a", title="t")):
        with pytest.raises(AttributeError):
            room.title = "other"  # type: ignore[misc]  # that is the point
