"""The lag of the event loop, and gauges, sampled twice a second.

The lag is the time for which one request makes all others wait. A sample is also a heartbeat: the
supervisor replaces a worker that has none for long.
"""

import asyncio
from collections.abc import Callable
from typing import NoReturn

from .instruments import Histogram

_INTERVAL = 0.5


async def sampling(lag: Histogram, *samples: Callable[[], None]) -> NoReturn:
    """Observe `lag` and call `samples`, which set gauges, until cancelled."""
    now = asyncio.get_running_loop().time
    while True:
        for sample in samples:
            sample()
        due = now() + _INTERVAL
        await asyncio.sleep(_INTERVAL)
        lag.observe(max(0, now() - due))
