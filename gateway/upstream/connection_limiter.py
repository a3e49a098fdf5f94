"""The connection limiter (a bulkhead): no more calls at once than there are connections.

The rest wait in order. A call is refused on arrival if it would wait for most of its time, judged
by the mean duration of recent calls. An early refusal is better news than a late one, and a call
that begins too late holds a connection in vain. A refused call was never sent.
"""

import asyncio

from .call import Call, Send
from .faults import NotAttempted
from .reply import Reply

_RETRY_AFTER = 1.0
_WAIT_SHARE = 0.75
"""The share of a call's time that it may wait."""

_WEIGHT = 0.1
"""The weight of the last call in the mean duration."""


class ConnectionLimiter:
    """A semaphore with `permits`, one a call; `active` calls have one, `waiting` calls do not."""

    def __init__(self, permits: int) -> None:
        self._permits = permits
        self._semaphore = asyncio.Semaphore(permits)
        self._mean = 0.0
        self.active = 0
        self.waiting = 0

    async def acquire(self, seconds: float) -> None:
        """Acquire a permit within `seconds`. Raises NotAttempted."""
        if self._semaphore.locked():
            await self._wait(seconds)
        else:
            await self._semaphore.acquire()  # returns at once
        self.active += 1

    def release(self, took: float) -> None:
        """Give back a permit after a call that took so many seconds."""
        self._mean += (took - self._mean) * _WEIGHT
        self.active -= 1
        self._semaphore.release()

    async def _wait(self, seconds: float) -> None:
        if (self.waiting + 1) * self._mean / self._permits > seconds:
            raise _busy(seconds)
        self.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._semaphore.acquire()
        except TimeoutError as error:
            raise _busy(seconds) from error
        finally:
            self.waiting -= 1


def with_connection(limiter: ConnectionLimiter, send: Send) -> Send:
    """Return `send` with a permit of `limiter` for each attempt. Raises NotAttempted.

    The call's `on_sent` is called once it has one.
    """

    async def limited(call: Call) -> Reply:
        await limiter.acquire(call.time_left() * _WAIT_SHARE)
        before = call.time_left()
        try:
            if call.on_sent is not None:
                call.on_sent()
            return await send(call)
        finally:
            limiter.release(before - call.time_left())

    return limited


def _busy(seconds: float) -> NotAttempted:
    reason = f"all connections are busy, and would be for {seconds:.3g} s"
    return NotAttempted(reason, retry_after=_RETRY_AFTER)
