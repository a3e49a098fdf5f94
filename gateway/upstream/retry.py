"""A second attempt at a read, if it can help and there is time for it.

- Reads only; a write is attempted once.
- Only for faults that are `retryable`, and for replies of an upstream that is down or flooded.
- A retry budget holds retries to a fifth of the reads, so that they never make an outage worse:
  each read earns a fifth of a retry, and a few are saved up.
- After a random wait (full jitter), on top of the reply's `Retry-After` in seconds. No retry for a
  wait that the call's time does not allow, nor for a `Retry-After` that is a date.
- Each attempt passes the breaker; if it refuses the second, the first outcome stands.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable

from .call import Call, Send
from .faults import Fault, NotAttempted
from .reply import Reply

_EARNED = 0.2
_SAVED = 10.0
_LONGEST_JITTER = 0.1
_SECONDS = re.compile("[0-9]{1,9}")


class RetryBudget:
    """The number of retries that may be made; a new budget allows the first."""

    def __init__(self) -> None:
        self._left = 1.0

    def earn(self) -> None:
        """Count a call."""
        self._left = min(_SAVED, self._left + _EARNED)

    def spend(self) -> bool:
        """Take a retry and return True, or return False if there is none."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


def with_retry(
    budget: RetryBudget,
    send: Send,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    jitter: Callable[[], float] = random.random,
) -> Send:
    """Return `send` with a second attempt at reads; `jitter` returns a number from 0 to 1."""

    async def retrying(call: Call) -> Reply:
        if call.method != "GET":
            return await send(call)
        budget.earn()
        first = await _outcome(send, call)
        pause = _pause_after(first)
        if pause is None:
            return _unwrap(first)
        pause += jitter() * _LONGEST_JITTER
        if pause >= call.time_left() or not budget.spend():
            return _unwrap(first)
        await sleep(pause)
        second = await _outcome(send, call)
        return _unwrap(first if isinstance(second, NotAttempted) else second)

    return retrying


def _pause_after(outcome: Reply | Fault) -> float | None:
    """Return the least seconds before a second attempt, or None for no second attempt."""
    if isinstance(outcome, Fault):
        return 0 if outcome.retryable else None
    if not outcome.says_unavailable:
        return None
    asked = outcome.headers.get("retry-after", "0")
    return int(asked) if _SECONDS.fullmatch(asked) else None


async def _outcome(send: Send, call: Call) -> Reply | Fault:
    try:
        return await send(call)
    except Fault as fault:
        return fault


def _unwrap(outcome: Reply | Fault) -> Reply:
    if isinstance(outcome, Fault):
        raise outcome
    return outcome
