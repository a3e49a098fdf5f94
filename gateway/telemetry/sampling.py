"""What is measured twice a second: how late the event loop is, and how much there is of what.

A late loop is what one request makes all others wait.
"""

import asyncio
from collections.abc import Callable
from typing import NoReturn

from .instruments import Histogram

_EVERY = 0.5


async def sampling(lag: Histogram, sample: Callable[[], None]) -> NoReturn:
    """Observe `lag` and call `sample`, which sets gauges, until cancelled."""
    now = asyncio.get_running_loop().time
    while True:
        sample()
        due = now() + _EVERY
        await asyncio.sleep(_EVERY)
        lag.observe(max(0, now() - due))
