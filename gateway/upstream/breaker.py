"""The circuit breaker: while the upstream is down, calls fail fast and the upstream is spared.

- Calls without a reply count as failures, and so do replies of an upstream that is down or
  flooded: 429, 503, any other 5xx without an envelope. A business refusal is a success, so asking
  for unknown rooms never opens it. A write that the upstream failed at proves nothing: its input
  may be the cause.
- One bad room is not an outage. A path that has failed among the last calls and now times out does
  not count again, if a call for another path succeeded in the last ten seconds.
- Closed, it opens after several failures in a row, or once half of the last calls have failed.
- Open, it refuses everything for a pause. Then it is half-open and lets one probe through. The
  probe closes it or opens it for another pause. A probe that is given up proves nothing, and the
  next call is the probe.
- Each time it opens, and after a failed probe, `on_open` is called: to drop kept connections, in
  case the upstream has moved.
- Calls that were sent before the last transition do not count.
"""

from collections import deque
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from gateway.telemetry import Counter

from .call import Call, Send
from .faults import Fault, NotAttempted
from .reply import Reply

BREAKER_STATES = ("closed", "open", "half-open")

_IN_A_ROW = 5
_WINDOW = 20
_PAUSE = 1.0
_SIGN_OF_LIFE = 10.0


class Breaker:
    """The breaker of one upstream; `clock` is monotonic, in seconds; `openings` counts openings."""

    def __init__(
        self,
        clock: Callable[[], float],
        log: FilteringBoundLogger,
        openings: Counter,
        on_open: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._log = log
        self._openings = openings
        self._on_open = on_open
        self._generation = 0
        self._in_a_row = 0
        self._last: deque[str | None] = deque(maxlen=_WINDOW)  # paths of failures; None: a success
        self._success = self._other_success = ("", float("-inf"))  # of two paths, the latest first
        self._opened_at: float | None = None
        self._probing = False

    @property
    def state(self) -> str:
        """One of `BREAKER_STATES`."""
        if self._opened_at is None:
            return "closed"
        return "open" if self._pause_left() > 0 else "half-open"

    def admit(self) -> int:
        """Admit a call; record it with the generation returned. Raises NotAttempted."""
        if self._opened_at is not None:
            if self._probing or self._pause_left() > 0:
                left = max(self._pause_left(), 0)
                raise NotAttempted("the circuit breaker is open", retry_after=left or _PAUSE)
            self._probing = True
        return self._generation

    def record(
        self, generation: int, path: str, *, failed: bool | None, perhaps_local: bool = False
    ) -> None:
        """Record the outcome of an admitted call for `path`; None proves nothing.

        `perhaps_local` marks a failure that one bad room may have caused.
        """
        if failed is False:
            self._note_success(path)
        if generation != self._generation:
            return
        if failed is None:
            self._probing = False
        elif self._opened_at is not None:
            self._transition(self._clock() if failed else None)
        elif not (perhaps_local and self._is_local(path)):
            self._in_a_row = self._in_a_row + 1 if failed else 0
            self._last.append(path if failed else None)
            failures = len(self._last) - self._last.count(None)
            if self._in_a_row >= _IN_A_ROW or failures * 2 >= _WINDOW:
                self._transition(self._clock())

    def _note_success(self, path: str) -> None:
        if path != self._success[0]:
            self._other_success = self._success
        self._success = path, self._clock()

    def _is_local(self, path: str) -> bool:
        """Return True if `path` alone fails: it has failed before, and another path works."""
        other = self._other_success if self._success[0] == path else self._success
        return path in self._last and self._clock() - other[1] <= _SIGN_OF_LIFE

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
        if opened_at is not None:
            self._on_open()


def with_breaker(breaker: Breaker, send: Send) -> Send:
    """Return `send` behind `breaker`. Raises NotAttempted while it is open."""

    async def guarded(call: Call) -> Reply:
        generation = breaker.admit()
        failed: bool | None = None
        perhaps_local = False
        try:
            reply = await send(call)
            failed = reply.says_unavailable
            if call.method != "GET" and reply.says_failed and not failed:
                failed = None
        except Fault as fault:
            failed, perhaps_local = fault.trips_breaker, fault.perhaps_local
            raise
        finally:
            breaker.record(generation, call.path, failed=failed, perhaps_local=perhaps_local)
        return reply

    return guarded
