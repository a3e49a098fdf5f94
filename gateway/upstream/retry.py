"""A second attempt at a read, where it can mend what went wrong and there is time for it.

- Only reads; a write is attempted once, whatever happens.
- Only where no connection was made or it broke, or where the reply says that the service is down or
  flooded. Where time ran out there is none left, and garbage would come again.
- A budget holds retries to a fifth of the reads, so that they never make an outage worse: each read
  earns a fifth of a retry, and a few are saved up.
- After a random wait (full jitter), on top of what the reply's `Retry-After` asks for in seconds.
  A wait that the call's time does not allow, or a `Retry-After` that is a date, means no retry.
- Each attempt passes the breaker: one that it refuses leaves the first outcome standing.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable

import httpx

from .dialects import says_unavailable
from .faults import Broken, Fault, NotAttempted, NotSent, Unreadable
from .send import Reply, Send, time_left

_EARNED = 0.2
_SAVED = 10.0
_LONGEST_JITTER = 0.1
_SECONDS = re.compile("[0-9]{1,9}")


class RetryBudget:
    """How many retries may be made; a new one allows the first."""

    def __init__(self) -> None:
        self._left = 1.0

    def earn(self) -> None:
        """Count a call."""
        self._left = min(_SAVED, self._left + _EARNED)

    def spend(self) -> bool:
        """Take a retry, if there is one."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


def retrying(
    budget: RetryBudget,
    send: Send,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    jitter: Callable[[], float] = random.random,
) -> Send:
    """Return `send` with a second attempt at reads; `jitter` gives a number from 0 to 1."""

    async def persistent(request: httpx.Request) -> Reply:
        if request.method != "GET":
            return await send(request)
        budget.earn()
        first = await _outcome(send, request)
        wait = pause_after(first)
        if wait is None:
            return _given(first)
        wait += jitter() * _LONGEST_JITTER
        if wait >= time_left(request) or not budget.spend():
            return _given(first)
        await sleep(wait)
        second = await _outcome(send, request)
        return _given(first if isinstance(second, NotAttempted) else second)

    return persistent


def pause_after(outcome: Reply | Fault) -> float | None:
    """Return the seconds to wait at least before a second attempt; None where it is no use."""
    if isinstance(outcome, Fault):
        mendable = isinstance(outcome, NotSent | Broken) and not isinstance(outcome, Unreadable)
        return 0 if mendable else None
    if not says_unavailable(outcome):
        return None
    asked = outcome.headers.get("Retry-After", "0")
    return int(asked) if _SECONDS.fullmatch(asked) else None


async def _outcome(send: Send, request: httpx.Request) -> Reply | Fault:
    try:
        return await send(request)
    except Fault as fault:
        return fault


def _given(outcome: Reply | Fault) -> Reply:
    if isinstance(outcome, Fault):
        raise outcome
    return outcome
