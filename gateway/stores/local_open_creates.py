"""`OpenCreates` in this process's memory: at most so many, the oldest is forgotten first."""

from collections.abc import Callable
from typing import Final

from cachetools import TTLCache

from gateway.rooms import OpenCreate

HOUR: Final = 3600.0
_SIZE = 10_000


class LocalOpenCreates:
    """At most `size` creates, each for an hour of a monotonic `clock` in seconds."""

    def __init__(self, clock: Callable[[], float], *, size: int = _SIZE) -> None:
        self._creates: TTLCache[str, OpenCreate] = TTLCache(size, HOUR, clock)

    def add(self, request_id: str, create: OpenCreate) -> None:
        """Remember a create that is about to be sent."""
        self._creates[request_id] = create

    def remove(self, request_id: str) -> None:
        """Forget a create that has ended."""
        self._creates.pop(request_id, None)

    async def find(self, request_id: str) -> OpenCreate | None:
        """Return a create that is open."""
        return self._creates.get(request_id)
