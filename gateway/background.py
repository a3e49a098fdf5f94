"""Work beside the requests, for as long as the gateway runs.

Nobody waits for it, so an error that nobody foresaw would end it in silence: it is logged, and the
work begun again.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from structlog.typing import FilteringBoundLogger

Work = Callable[[], Awaitable[None]]

_PAUSE = 1.0
"""Seconds before work that failed is begun again."""


@asynccontextmanager
async def background_task(
    work: Work, log: FilteringBoundLogger, *, pause: float = _PAUSE
) -> AsyncGenerator[None]:
    """Run `work` beside the block, again where it fails, and end it with the block."""
    task = asyncio.create_task(_persistently(work, log, pause))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _persistently(work: Work, log: FilteringBoundLogger, pause: float) -> None:
    while True:
        try:
            await work()
        except Exception:
            log.exception("background_task_failed")
            await asyncio.sleep(pause)
        else:
            return
