"""At most so many calls under way at once: as many as there are connections.

The rest wait here, the newest first: the older a call is, the likelier has whoever asked gone, and
the less time is left for it. So a backlog, of callers who have left or of a slow hour, is not in
the way of those who come now. A call that has waited for most of its time is turned away: it would
hold a connection for what is unlikely to end in time. It was never sent.
"""

import asyncio

import httpx

from .faults import Refused
from .send import Reply, Send, time_left

_RETRY_AFTER = 1.0
_MOST = 0.75


def limited(places: int, send: Send) -> Send:
    """Return `send` for at most `places` calls at once. Raises Refused."""
    free = _Places(places)

    async def place(request: httpx.Request) -> Reply:
        await free.take(time_left(request) * _MOST)
        try:
            return await send(request)
        finally:
            free.give_back()

    return place


class _Places:
    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: dict[asyncio.Future[None], None] = {}

    async def take(self, seconds: float) -> None:
        if self._free:
            self._free -= 1
            return
        try:
            async with asyncio.timeout(seconds):
                await self._turn()
        except TimeoutError as error:
            reason = f"all connections were busy for {seconds:.3g} s"
            raise Refused(reason, retry_after=_RETRY_AFTER) from error

    def give_back(self) -> None:
        while self._waiting:
            turn, _ = self._waiting.popitem()
            if not turn.done():  # it may have been given up just now
                turn.set_result(None)
                return
        self._free += 1

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting.pop(turn, None)
            if not turn.cancelled():  # its turn came, too late
                self.give_back()
            raise
