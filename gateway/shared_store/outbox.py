"""Calls that must reach the store, kept while it is down."""

from collections.abc import Sequence
from itertools import islice

from .script import Script

Call = tuple[Script, Sequence[str], tuple[bytes | int, ...]]
"""A script, its keys and its arguments."""

_SIZE = 10_000


class Outbox:
    """The last call for each key, at most `size` of them; the oldest is lost first."""

    def __init__(self, size: int = _SIZE) -> None:
        self._size = size
        self._calls: dict[tuple[Script, str], Call] = {}
        self.lost = 0

    def __len__(self) -> int:
        return len(self._calls)

    def put(self, call: Call) -> None:
        """Keep a call; it replaces an earlier one of this script with the same first key."""
        self._calls.pop(_key(call), None)
        self._calls[_key(call)] = call
        if len(self._calls) > self._size:
            del self._calls[next(iter(self._calls))]
            self.lost += 1

    def has_earlier(self, call: Call) -> bool:
        """Return whether a call is kept that this one would replace."""
        return _key(call) in self._calls

    def first(self, most: int) -> Sequence[Call]:
        """Return the oldest calls, at most so many."""
        return list(islice(self._calls.values(), most))

    def drop(self, call: Call) -> None:
        """Keep a call no longer, unless a later one has replaced it."""
        if self._calls.get(_key(call)) is call:
            del self._calls[_key(call)]


def _key(call: Call) -> tuple[Script, str]:
    script, keys, _ = call
    return script, keys[0]
