"""Read-through caching of rooms, with single flight and stale-if-error."""

from .local_room_cache import Lifetimes, LocalRoomCache

__all__ = ["Lifetimes", "LocalRoomCache"]
