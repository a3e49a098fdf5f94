"""Whatever happens to a room and its reader, the reader ends with the room as it is."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge import encode_room
from gateway.events.feed import COUNTERS, RoomFeed
from gateway.rooms import EncodedRoom
from tests.events.patches import applied, without_nulls
from tests.fakes.rooms import room_of

_PUBLISH, _LOOK, _COME_BACK = "publish", "look", "come back"

rooms = st.fixed_dictionaries(
    {
        "live_status": st.integers(0, 2),
        "online_count": st.integers(0, 2),
        "end_time": st.none() | st.integers(1, 2),
        "extends": st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy")),
    }
)
steps = st.lists(
    st.tuples(
        st.sampled_from((_PUBLISH, _LOOK, _COME_BACK)),
        rooms,
        st.floats(0.1, 6),
    ),
    max_size=30,
)


def encoded(changes: dict[str, Any]) -> EncodedRoom:
    """Return a room with these fields."""
    return encode_room(msgspec.structs.replace(room_of().for_viewers(), **changes))


class Reader:
    """A client that applies what it hears; it keeps the last id when it comes back."""

    def __init__(self) -> None:
        self.etag: bytes | None = None
        self.room: Any = None

    def look(self, feed: RoomFeed) -> None:
        """Take in the news, of which there is none if the state is known."""
        if (news := feed.news(self.etag)) is None:
            return
        name, frame = news
        lines = dict(line.split(": ", 1) for line in frame.decode().strip().split("\n"))
        data = json.loads(lines["data"])
        self.room = applied(self.room, data) if name == "change" else data
        self.etag = lines["id"].encode()


@given(rooms, steps)
def test_a_reader_ends_with_the_room_as_it_is(first: dict[str, Any], history: Any) -> None:
    """A reader that looks now and then, leaves, or goes to another replica misses no change.

    Only counters may be older, by five seconds at most.
    """
    now, state, reader = 0.0, first, Reader()
    feed = RoomFeed(encoded(first), now)
    for step, changes, seconds in history:
        now += seconds
        if step == _PUBLISH:
            state = changes
            feed.publish(encoded(state), now)
            continue
        if step == _COME_BACK:
            feed = RoomFeed(encoded(state), now)  # to another replica, or after the last had left
        reader.look(feed)
        said = reader.etag
        reader.look(feed)
        assert reader.etag == said  # nothing is told twice
        shown, true = (
            without_nulls(each) for each in (reader.room, json.loads(encoded(state).body))
        )
        assert {k: v for k, v in shown.items() if k not in COUNTERS} == {
            k: v for k, v in true.items() if k not in COUNTERS
        }
    feed.publish(encoded(state), now + 6)
    reader.look(feed)
    assert without_nulls(reader.room) == without_nulls(json.loads(encoded(state).body))
