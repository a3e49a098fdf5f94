"""Waking many readers, a few at a time, so that nothing else waits for all of them."""

import asyncio
from collections import deque
from collections.abc import Iterable

from .reader import Reader

_AT_ONCE = 50
"""Readers: a write takes some 30 µs."""

_GAP = 0.002
"""Seconds between them for everything else. With 100 every 1 ms, reads waited for 145 ms."""


class Waker:
    """A queue of readers to wake."""

    def __init__(self) -> None:
        self._waiting: deque[Reader] = deque()

    def wake(self, readers: Iterable[Reader]) -> None:
        """Wake them soon."""
        idle = not self._waiting
        self._waiting.extend(readers)
        if idle and self._waiting:
            self._wake_some()

    def _wake_some(self) -> None:
        for _ in range(min(_AT_ONCE, len(self._waiting))):
            self._waiting.popleft().wake()
        if self._waiting:
            asyncio.get_running_loop().call_later(_GAP, self._wake_some)
