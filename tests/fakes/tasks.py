"""Waiting for other tasks, without a clock."""

import asyncio
from collections.abc import Callable


async def settle() -> None:
    """Let every task run that can run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks run until `condition` holds; fail after 100,000 turns."""
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("the condition never held")
