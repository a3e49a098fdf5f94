"""Rooms remembered for a while, one read for everyone who misses; what became of creates."""

from .outcomes import LocalOutcomes
from .rooms import Lifetimes, RoomCache

__all__ = ["Lifetimes", "LocalOutcomes", "RoomCache"]
