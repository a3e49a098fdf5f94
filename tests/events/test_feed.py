"""The state of a room as its readers hear of it."""

import json
from typing import Any

import msgspec
import pytest

from gateway.edge import encode_room
from gateway.events.feed import RoomFeed
from gateway.rooms import EncodedRoom
from tests.fakes.rooms import room_of


def room(**changes: Any) -> EncodedRoom:
    """Return a room with these fields; it has not gone live."""
    shown = {"live_status": 0, **changes}
    return encode_room(msgspec.structs.replace(room_of().for_viewers(), **shown))


def heard(feed: RoomFeed, etag: bytes | None) -> tuple[str, Any] | None:
    """Return name and data of what one who knows `etag` hears."""
    news = feed.news(etag)
    if news is None:
        return None
    name, frame = news
    lines = dict(line.split(": ", 1) for line in frame.decode().strip().split("\n"))
    assert lines["id"] == feed.etag.decode()
    assert lines["event"] == name
    return name, json.loads(lines["data"])


def test_who_knows_nothing_hears_the_room() -> None:
    """The whole room comes first; who knows it hears nothing."""
    first = room()
    feed = RoomFeed(first, 0)
    assert heard(feed, None) == ("room", json.loads(first.body))
    assert heard(feed, first.etag) is None


def test_a_change_is_told_as_a_patch() -> None:
    """Who knows the state before it hears of the change, who is behind hears the room."""
    first, second, third = room(), room(live_status=1, title="Live"), room(live_status=2)
    feed = RoomFeed(first, 0)
    assert feed.publish(second, 1)
    assert heard(feed, first.etag) == ("change", {"live_status": 1, "title": "Live"})
    assert feed.publish(third, 2)
    assert heard(feed, first.etag) == ("room", json.loads(third.body))
    assert heard(feed, b'"unknown"') == ("room", json.loads(third.body))


def test_an_id_of_nothing_is_no_state() -> None:
    """A reader with an empty `Last-Event-ID` hears the whole room, before any change and after."""
    feed = RoomFeed(room(), 0)
    assert heard(feed, b"") == ("room", json.loads(room().body))
    feed.publish(room(live_status=1), 1)
    assert heard(feed, b"") == ("room", json.loads(room(live_status=1).body))
    assert heard(feed, None) == ("room", json.loads(room(live_status=1).body))


def test_who_slept_through_a_change_and_back_hears_nothing() -> None:
    """What counts is the state, not what happened meanwhile."""
    first = room()
    feed = RoomFeed(first, 0)
    feed.publish(room(live_status=1), 1)
    feed.publish(first, 2)
    assert heard(feed, first.etag) is None


def test_a_time_that_was_unset_is_null() -> None:
    """As the contract has it."""
    first = room(end_time=5)
    feed = RoomFeed(first, 0)
    feed.publish(room(end_time=None), 1)
    assert heard(feed, first.etag) == ("change", {"end_time": None})


@pytest.mark.parametrize("name", ["online_count", "pv", "uv"])
def test_counters_are_told_every_five_seconds(name: str) -> None:
    """Counters alone wait, and are told with the next change of anything else."""
    first = room(**{name: 1})
    feed = RoomFeed(first, 0)
    assert not feed.publish(room(**{name: 2}), 4.9)
    assert heard(feed, first.etag) is None
    assert feed.publish(room(**{name: 3}), 5)
    assert heard(feed, first.etag) == ("change", {name: 3})
    assert not feed.publish(room(**{name: 4}), 6)
    assert feed.publish(room(**{name: 4}, live_status=1), 7)
    assert not feed.publish(room(**{name: 5}, live_status=1), 11.9)
    assert feed.publish(room(**{name: 5}, live_status=1), 12)


def test_the_same_room_again_is_no_news() -> None:
    """A poll without a change wakes nobody, but shows that the state still holds."""
    feed = RoomFeed(room(), 0)
    assert not feed.publish(room(), 7)
    assert feed.known_at == 7
