"""Encoded rooms in memory, bounded in number and in bytes, the least recently used first out."""

from cachetools import LRUCache
from msgspec import Struct

from gateway.rooms import EncodedRoom
from gateway.telemetry import Counter


class Entry(Struct, frozen=True, gc=False):
    """A room, fresh until a moment of the cache's clock."""

    room: EncodedRoom
    fresh_until: float


class Entries(LRUCache[str, Entry]):
    """At most `size` rooms with `max_bytes` of JSON; each eviction is counted."""

    def __init__(self, size: int, max_bytes: int, evictions: Counter) -> None:
        super().__init__(max_bytes, lambda entry: len(entry.room.body))
        self._size = size
        self._evictions = evictions

    def __setitem__(self, live_id: str, entry: Entry) -> None:
        """Keep a room in place of its last state, unless it is larger than all may be."""
        self.pop(live_id, None)
        if self.getsizeof(entry) > self.maxsize:
            return
        if len(self) >= self._size:
            self.popitem()
        super().__setitem__(live_id, entry)

    def popitem(self) -> tuple[str, Entry]:
        """Evict a room."""
        self._evictions.inc("capacity")
        return super().popitem()
