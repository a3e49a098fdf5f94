"""The circuit breaker: while the upstream is down, it is spared and callers need not wait.

- Calls without a reply count as failures, and replies that say the service is down or flooded:
  429, 503, any other 5xx without an envelope. A business refusal is a reply like any other, so
  asking for unknown rooms never opens it.
- Closed, it opens after so many failures in a row, or once half of the last calls have failed.
- Open, it refuses everything for a pause. Then it is half-open and lets one call through, whose
  outcome closes it or opens it for another pause; a call that is given up proves nothing, and the
  next one is the probe.
- What was sent before it opened or closed counts no more.
"""

from collections import deque
from collections.abc import Callable

import httpx
from structlog.typing import FilteringBoundLogger

from gateway.telemetry import Counter

from .dialects import says_unavailable
from .faults import Fault, NotAttempted, Unreadable
from .send import Reply, Send

BREAKER_STATES = ("closed", "open", "half-open")

_IN_A_ROW = 5
_WINDOW = 20
_PAUSE = 1.0


class Breaker:
    """One upstream's breaker; `clock` counts seconds and never goes back.

    `openings` counts how often it opens.
    """

    def __init__(
        self, clock: Callable[[], float], log: FilteringBoundLogger, openings: Counter
    ) -> None:
        self._clock = clock
        self._log = log
        self._openings = openings
        self._generation = 0
        self._in_a_row = 0
        self._last: deque[bool] = deque(maxlen=_WINDOW)
        self._opened_at: float | None = None
        self._probing = False

    @property
    def state(self) -> str:
        """One of `BREAKER_STATES`."""
        if self._opened_at is None:
            return "closed"
        return "open" if self._pause_left() > 0 else "half-open"

    def admit(self) -> int:
        """Let a call through, to be recorded under the number returned. Raises NotAttempted."""
        if self._opened_at is not None:
            if self._probing or self._pause_left() > 0:
                left = max(self._pause_left(), 0)
                raise NotAttempted("the circuit breaker is open", retry_after=left or _PAUSE)
            self._probing = True
        return self._generation

    def record(self, generation: int, *, failed: bool | None) -> None:
        """Count how a call went that was let through; None is one that was given up."""
        if generation != self._generation:
            return
        if failed is None:
            self._probing = False
        elif self._opened_at is not None:
            self._transition(self._clock() if failed else None)
        else:
            self._in_a_row = self._in_a_row + 1 if failed else 0
            self._last.append(failed)
            if self._in_a_row >= _IN_A_ROW or sum(self._last) * 2 >= _WINDOW:
                self._transition(self._clock())

    def _pause_left(self) -> float:
        return 0 if self._opened_at is None else self._opened_at + _PAUSE - self._clock()

    def _transition(self, opened_at: float | None) -> None:
        if opened_at is None:
            self._log.info("breaker_closed")
        elif self._opened_at is None:
            self._log.warning("breaker_opened", failures_in_a_row=self._in_a_row)
            self._openings.inc()
        self._opened_at = opened_at
        self._generation += 1
        self._probing = False
        self._in_a_row = 0
        self._last.clear()


def guarded(breaker: Breaker, send: Send) -> Send:
    """Return `send` behind `breaker`. Raises NotAttempted while it is open."""

    async def guard(request: httpx.Request) -> Reply:
        generation = breaker.admit()
        failed: bool | None = None
        try:
            reply = await send(request)
            failed = says_unavailable(reply)
        except Fault as fault:
            failed = None if isinstance(fault, NotAttempted) else not isinstance(fault, Unreadable)
            raise
        finally:
            breaker.record(generation, failed=failed)
        return reply

    return guard
