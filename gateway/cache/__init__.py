"""Rooms remembered for a while, and one read for everyone who misses."""

from .rooms import Lifetimes, RoomCache

__all__ = ["Lifetimes", "RoomCache"]
