"""The circuit breaker of the shared store: while it is down, no request waits for it.

- Closed, it opens after five calls in a row that failed. One is enough that had no reply in time:
  a request makes several calls, and together they may not wait longer than one. So is one whose
  reply says that the store cannot do its work: calls that need less of it may succeed meanwhile.
- Open, it refuses every call for half a second at least. Then the first probe that succeeds closes
  it. No request is a probe.
"""

from collections.abc import Callable

_IN_A_ROW = 5
_PAUSE = 0.5
"""Seconds."""


class Circuit:
    """The breaker of a store; `clock` is monotonic, in seconds; `opened` is told a reason."""

    def __init__(self, clock: Callable[[], float], opened: Callable[[str], None]) -> None:
        self._clock = clock
        self._opened = opened
        self._in_a_row = 0
        self._until: float | None = None
        self.is_open = False

    def succeeded(self) -> None:
        """Note a reply."""
        self._in_a_row = 0

    def failed(self, reason: str, *, is_sure: bool) -> None:
        """Note a call that failed, which opens it at once if the reason `is_sure`."""
        self._in_a_row += 1
        if self.is_open or not (is_sure or self._in_a_row >= _IN_A_ROW):
            return
        self.is_open = True
        self._until = self._clock() + _PAUSE
        self._opened(reason)

    def may_close(self) -> bool:
        """Return whether a probe may close it."""
        return self._until is None or self._clock() >= self._until

    def close(self) -> None:
        """Let calls pass again."""
        self._in_a_row = 0
        self.is_open = False
