"""Read-through caching of rooms, with single flight and stale-if-error, and the known anchors."""

from .known_anchors import KnownAnchors
from .live_pages import CachedLivePages, LivePageReader
from .local_room_cache import LocalRoomCache
from .read_through_cache import Lifetimes, ReadThroughCache
from .shared_rooms import SharedRooms
from .source import Encode, Read, Restore, Source, UpstreamRooms

__all__ = [
    "CachedLivePages",
    "Encode",
    "KnownAnchors",
    "Lifetimes",
    "LivePageReader",
    "LocalRoomCache",
    "Read",
    "ReadThroughCache",
    "Restore",
    "SharedRooms",
    "Source",
    "UpstreamRooms",
]
