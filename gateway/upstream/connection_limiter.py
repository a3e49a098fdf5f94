"""The connection limiter (a bulkhead): no more calls at once than there are connections.

The rest wait in order. A call is refused on arrival if it would wait for most of its time, judged
by the mean duration of recent calls. An early refusal is better news than a late one, and a call
that begins too late holds a connection in vain. A refused call was never sent.

Reads cannot take all connections: a tenth is left for writes. So a read needs two permits, first
one of the reads, then one of all calls. Each kind of permit has its own queue and its own mean.
"""

import asyncio
from typing import Self

from .call import Call, Send
from .faults import NotAttempted
from .reply import Reply

_RETRY_AFTER = 1.0
_WAIT_SHARE = 0.75
"""The share of a call's time that it may wait."""

_WEIGHT = 0.1
"""The weight of the last call in the mean duration."""

_LEFT_FOR_WRITES = 10
"""Reads leave one connection in so many, and at least one of two or more."""


class ConnectionLimiter:
    """At most `connections` calls at once; `active` calls have a connection, `waiting` wait."""

    def __init__(self, connections: int) -> None:
        left = max(1, connections // _LEFT_FOR_WRITES) if connections > 1 else 0
        self._reads = _Permits(connections - left)
        self._all = _Permits(connections)

    @property
    def active(self) -> int:
        """The number of calls with a connection."""
        return self._all.active

    @property
    def waiting(self) -> int:
        """The number of calls without one."""
        return self._reads.waiting + self._all.waiting

    async def connection(self, call: Call) -> "_Permit":
        """Return a connection for `call`, a context that frees it. Raises NotAttempted."""
        reserve = call.time_left() * (1 - _WAIT_SHARE)
        if call.for_write:
            return await self._all.permit(call, reserve)
        read = await self._reads.permit(call, reserve)
        try:
            read.beside = await self._all.permit(call, reserve)
        except BaseException:
            read.free()
            raise
        return read


class _Permit:
    """One of the permits, held by a call, and maybe another that is freed `beside` it."""

    __slots__ = ("_before", "_call", "_permits", "beside")

    def __init__(self, permits: "_Permits", call: Call) -> None:
        self._permits = permits
        self._call = call
        self._before = call.time_left()
        self.beside: _Permit | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.free()

    def free(self) -> None:
        """Free them."""
        if self.beside is not None:
            self.beside.free()
        self._permits.free(self._before - self._call.time_left())


class _Permits:
    """A semaphore with so many permits, and the mean time for which one is held."""

    def __init__(self, permits: int) -> None:
        self._permits = permits
        self._semaphore = asyncio.Semaphore(permits)
        self._mean = 0.0
        self.active = 0
        self.waiting = 0

    async def permit(self, call: Call, reserve: float) -> _Permit:
        """Return a permit; at least `reserve` seconds of the call's time are left then."""
        if self._semaphore.locked():
            await self._wait(call.time_left() - reserve)
        else:
            await self._semaphore.acquire()  # returns at once
        self.active += 1
        return _Permit(self, call)

    def free(self, seconds: float) -> None:
        """Free a permit that was held for so many seconds."""
        self._mean += (seconds - self._mean) * _WEIGHT
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
    """Return `send` with a connection of `limiter` for each attempt. Raises NotAttempted.

    The call's `on_sent` is called once it has one.
    """

    async def limited(call: Call) -> Reply:
        with await limiter.connection(call):
            if call.on_sent is not None:
                call.on_sent()
            return await send(call)

    return limited


def _busy(seconds: float) -> NotAttempted:
    reason = f"all connections are busy, and would be for {seconds:.3g} s"
    return NotAttempted(reason, retry_after=_RETRY_AFTER)
