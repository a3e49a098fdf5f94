"""Encoded rooms in memory, bounded in number and in bytes, the least recently used first out."""

from cachetools import Cache, LRUCache
from msgspec import Struct

from gateway.rooms import EncodedRoom
from gateway.telemetry import Counter


class Entry(Struct, gc=False):
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

    def expire(self, moment: float) -> None:
        """Let no room be fresh after a moment; none counts as used."""
        for live_id in self:
            entry = Cache.__getitem__(self, live_id)
            entry.fresh_until = min(entry.fresh_until, moment)

    def popitem(self) -> tuple[str, Entry]:
        """Evict a room."""
        self._evictions.inc("capacity")
        return super().popitem()
