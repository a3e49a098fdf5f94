"""At most so many calls under way at once: as many as there are connections.

The rest stand in a line, in order. Who would have to stand there for most of the time that is left
is turned away on arrival, by what calls have taken lately: late news is no better, and a call that
begins too late holds a connection in vain. What is turned away was never sent.
"""

import asyncio
from collections import OrderedDict

import httpx

from .faults import NotAttempted
from .send import Reply, Send, time_left

_RETRY_AFTER = 1.0
_MOST = 0.75
_WEIGHT = 0.1
"""Of the last call's duration in the mean."""


class ConnectionLimiter:
    """So many `places`, and the calls that wait for one."""

    def __init__(self, places: int) -> None:
        self._places = self._free = places
        self._mean = 0.0
        self._waiting: OrderedDict[asyncio.Future[None], None] = OrderedDict()

    @property
    def active(self) -> int:
        """How many calls have a place."""
        return self._places - self._free

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return len(self._waiting)

    async def enter(self, seconds: float) -> None:
        """Take a place, within so many seconds. Raises NotAttempted."""
        if self._free:
            self._free -= 1
            return
        if (len(self._waiting) + 1) * self._mean / self._places > seconds:
            raise _busy(seconds)
        try:
            async with asyncio.timeout(seconds):
                await self._turn()
        except TimeoutError as error:
            raise _busy(seconds) from error

    def leave(self, took: float) -> None:
        """Give back a place that was had for `took` seconds."""
        self._mean += (took - self._mean) * _WEIGHT
        self._give_back()

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting.pop(turn, None)
            if not turn.cancelled():  # its turn came, too late
                self._give_back()
            raise

    def _give_back(self) -> None:
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():  # it may have been given up just now
                turn.set_result(None)
                return
        self._free += 1


def limited(line: ConnectionLimiter, send: Send) -> Send:
    """Return `send` for at most as many calls at once as `line` has places. Raises NotAttempted.

    A request's extension `on_sent` is called once it has a place.
    """

    async def place(request: httpx.Request) -> Reply:
        await line.enter(time_left(request) * _MOST)
        request.extensions.get("on_sent", _nobody)()
        before = time_left(request)
        try:
            return await send(request)
        finally:
            line.leave(before - time_left(request))

    return place


def _busy(seconds: float) -> NotAttempted:
    reason = f"all connections are busy, and would be for {seconds:.3g} s"
    return NotAttempted(reason, retry_after=_RETRY_AFTER)


def _nobody() -> None:
    """Tell nobody that a request is sent."""
