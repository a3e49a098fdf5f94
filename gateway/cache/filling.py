"""Fillings: reads of many rooms that are under way, each with the rooms that changed meanwhile.

A room that was evicted, or that came by a read of its own, is newer than what such a read brings.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class Filling:
    """A read that is under way."""

    __slots__ = ("_changed", "_void")

    def __init__(self) -> None:
        self._changed: set[str] = set()
        self._void = False

    def may_bring(self, live_id: str) -> bool:
        """Return whether what the read shows of a room may be kept."""
        return not self._void and live_id not in self._changed

    def changed(self, live_id: str) -> None:
        """Note that a room has changed."""
        self._changed.add(live_id)

    def changed_all(self) -> None:
        """Note that any room may have."""
        self._void = True


class Fillings:
    """The reads that are under way."""

    def __init__(self) -> None:
        self._running: dict[Filling, None] = {}

    @contextmanager
    def begun(self) -> Iterator[Filling]:
        """Note changes while the block runs."""
        filling = Filling()
        self._running[filling] = None
        try:
            yield filling
        finally:
            del self._running[filling]

    def changed(self, live_id: str) -> None:
        """Note that a room has changed."""
        for each in self._running:
            each.changed(live_id)

    def changed_all(self) -> None:
        """Note that any room may have."""
        for each in self._running:
            each.changed_all()
