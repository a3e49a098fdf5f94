"""Rooms remembered for a while, one read for everyone who misses; what became of creates."""

from .idempotency_store import LocalIdempotencyStore
from .room_cache import Lifetimes, LocalRoomCache

__all__ = ["Lifetimes", "LocalIdempotencyStore", "LocalRoomCache"]
