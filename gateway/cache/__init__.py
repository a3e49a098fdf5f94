"""Read-through caching of rooms, with single flight and stale-if-error, and the known anchors."""

from .known_anchors import KnownAnchors
from .local_room_cache import Lifetimes, LocalRoomCache
from .shared_rooms import SharedRooms
from .source import Encode, Read, Source, UpstreamRooms

__all__ = [
    "Encode",
    "KnownAnchors",
    "Lifetimes",
    "LocalRoomCache",
    "Read",
    "SharedRooms",
    "Source",
    "UpstreamRooms",
]
