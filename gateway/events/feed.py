"""The feed of one room: its newest state, never a queue of messages.

The feed knows a reader by the ETag of the last state sent to them. So a reader that is behind skips
to the newest state. One that comes back, to any process, hears nothing if nothing changed.
"""

from typing import Any

import msgspec

from gateway.rooms import EncodedRoom

from .frames import event
from .merge_patch import merge_patch
from .reader import Reader

COUNTERS = frozenset({"online_count", "pv", "uv"})
"""Fields that change all the time in a busy room."""

_COUNTERS_EVERY = 5.0
"""Seconds between two changes of counters alone."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode


EVENTS = ("room", "change", "deleted", "expired", "reconnect")
"""The names of all events."""


class RoomFeed:
    """The state of a room as its readers know it, `room` at first; times are monotonic seconds.

    `in_doubt` is true while nobody knows whether the state still holds.
    """

    def __init__(self, room: EncodedRoom, now: float) -> None:
        self.readers: set[Reader] = set()
        self.etag = room.etag
        self.known_at = now
        self.in_doubt = False
        self.is_deleted = False
        self._room = _decode(room.body)
        self._whole = event("room", room.body, etag=room.etag)
        self._before: bytes | None = None
        self._change = b""
        self._counted_at = now

    def publish(self, room: EncodedRoom, now: float) -> bool:
        """Take in the state of the room at `now`; return whether readers are to hear of it."""
        self.known_at = now
        if room.etag == self.etag:
            return False
        read = _decode(room.body)
        patch = merge_patch(self._room, read)
        if patch.keys() <= COUNTERS and now - self._counted_at < _COUNTERS_EVERY:
            return False
        if patch.keys() & COUNTERS:
            self._counted_at = now
        self._before, self.etag = self.etag, room.etag
        self._change = event("change", msgspec.json.encode(patch), etag=room.etag)
        self._whole = event("room", room.body, etag=room.etag)
        self._room = read
        return True

    def news(self, etag: bytes | None) -> tuple[str, bytes] | None:
        """Return an event, by name, for one who knows the state with `etag`; None without news."""
        if etag == self.etag:
            return None
        is_one_behind = etag is not None and etag == self._before
        return ("change", self._change) if is_one_behind else ("room", self._whole)
