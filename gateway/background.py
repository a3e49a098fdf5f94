"""Background tasks that run as long as the gateway does.

Nobody awaits such a task, so an unexpected error would end it unseen. The error is logged and the
task is restarted.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from structlog.typing import FilteringBoundLogger

Work = Callable[[], Awaitable[None]]

_PAUSE = 1.0
"""Seconds between a failure and the restart."""


@asynccontextmanager
async def background_task(
    work: Work, log: FilteringBoundLogger, *, pause: float = _PAUSE
) -> AsyncGenerator[None]:
    """Run `work` in a task until the block is left, restarting it after an error."""
    task = asyncio.create_task(_restarting(work, log, pause))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _restarting(work: Work, log: FilteringBoundLogger, pause: float) -> None:
    while True:
        try:
            return await work()
        except Exception:
            log.exception("background_task_failed")
            await asyncio.sleep(pause)
