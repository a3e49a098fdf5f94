"""Wait for conditions: no test depends on the speed of the machine."""

import asyncio
import time
from collections.abc import Awaitable, Callable

LIMIT = 60.0
"""Seconds after which a condition fails its test; the slowest machine needs less."""

_PAUSE = 0.02
"""Seconds between two looks."""


def eventually(holds: Callable[[], bool], within: float = LIMIT) -> None:
    """Wait until a condition holds; fail if it does not in time."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(_PAUSE)


async def until(holds: Callable[[], bool | Awaitable[bool]], within: float = LIMIT) -> None:
    """Wait until a condition holds, while the event loop goes on; fail if it does not in time."""
    async with asyncio.timeout(within):
        while True:
            told = holds()
            if told if isinstance(told, bool) else await told:
                return
            await asyncio.sleep(_PAUSE)
