"""Presence: each user is in one room at most, and leaves it after 20 s without a heartbeat."""

from collections.abc import Callable

_SECONDS = 20


class Presence:
    """The users in rooms, by their heartbeats on `clock`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rooms: dict[str, tuple[str, float]] = {}

    def enter(self, user_id: str, live_id: str) -> None:
        """Let a user be in a room, and in no other, from now on."""
        self._rooms[user_id] = (live_id, self._clock())

    def holds(self, user_id: str, live_id: str) -> bool:
        """Return whether a user is in a room."""
        return self._room_of(user_id) == live_id

    def count(self, live_id: str) -> int:
        """Return the number of users in a room."""
        return sum(self._room_of(user_id) == live_id for user_id in self._rooms)

    def _room_of(self, user_id: str) -> str | None:
        live_id, beat = self._rooms.get(user_id, (None, 0.0))
        return live_id if self._clock() - beat <= _SECONDS else None
