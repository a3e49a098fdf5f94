"""Calls that must reach the store, kept while it is down."""

from collections.abc import Iterator, Sequence

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
        key = (call[0], call[1][0])
        self._calls.pop(key, None)
        self._calls[key] = call
        if len(self._calls) > self._size:
            del self._calls[next(iter(self._calls))]
            self.lost += 1

    def put_back(self, call: Call) -> None:
        """Keep a call that was taken and not sent, unless a later one has come."""
        if (call[0], call[1][0]) not in self._calls:
            self.put(call)

    def take(self, most: int) -> Iterator[Call]:
        """Remove and give the oldest calls, at most so many."""
        for key in list(self._calls)[:most]:
            yield self._calls.pop(key)
