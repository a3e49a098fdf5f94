"""Encoded rooms in memory, bounded in number and in bytes, the least recently used first out."""

from collections import OrderedDict
from collections.abc import Callable, Iterator

from msgspec import Struct

from gateway.rooms import EncodedRoom
from gateway.telemetry import Counter


class Entry(Struct, gc=False):
    """A room, fresh until a moment of the cache's clock."""

    room: EncodedRoom
    fresh_until: float


class Entries:
    """At most `size` rooms with `max_bytes` of JSON; each eviction for lack of space is counted.

    cachetools' LRUCache takes five times as long for a look-up.
    """

    def __init__(self, size: int, max_bytes: int, evictions: Counter) -> None:
        self._size = size
        self._max_bytes = max_bytes
        self._evictions = evictions
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self.held = 0
        self.glance: Callable[[str], Entry | None] = self._entries.get
        """Return a room without using it."""
        self.use: Callable[[str], None] = self._entries.move_to_end
        """Have a room that is here count as the one used last."""

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def get(self, live_id: str) -> Entry | None:
        """Return a room, which is now the one used last."""
        entry = self.glance(live_id)
        if entry is not None:
            self.use(live_id)
        return entry

    def keep(self, live_id: str, entry: Entry) -> None:
        """Keep a room in place of its last state, unless it is larger than all may be."""
        self.drop(live_id)
        size = len(entry.room.body)
        if size > self._max_bytes:
            return
        while len(self) >= self._size or self.held + size > self._max_bytes:
            self._evictions.inc("capacity")
            self.drop(next(iter(self._entries)))
        self._entries[live_id] = entry
        self.held += size

    def drop(self, live_id: str) -> bool:
        """Forget a room; return whether it was there. Every entry ends here."""
        entry = self._entries.pop(live_id, None)
        if entry is None:
            return False
        self.held -= len(entry.room.body)
        return True

    def expire(self, moment: float) -> None:
        """Let no room be fresh after a moment; none counts as used."""
        for entry in self._entries.values():
            entry.fresh_until = min(entry.fresh_until, moment)
