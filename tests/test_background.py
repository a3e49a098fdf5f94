"""Background tasks."""

import asyncio

from structlog.testing import CapturingLogger

from gateway.background import background_task


async def test_work_that_fails_is_begun_again() -> None:
    """A failed task is logged and restarted, every time."""
    log, begun, enough = CapturingLogger(), list[int](), asyncio.Event()

    async def work() -> None:
        begun.append(len(begun))
        if len(begun) < 3:
            raise ZeroDivisionError
        enough.set()
        await asyncio.Event().wait()

    async with background_task(work, log, pause=0), asyncio.timeout(5):
        await enough.wait()
    assert begun == [0, 1, 2]
    assert [call.args[0] for call in log.calls] == ["background_task_failed"] * 2


async def test_work_that_ends_is_not_begun_again() -> None:
    """A finished task is not restarted."""
    begun = list[int]()

    async def work() -> None:
        begun.append(1)

    async with background_task(work, CapturingLogger(), pause=0):
        for _ in range(10):
            await asyncio.sleep(0)
    assert begun == [1]


async def test_it_ends_with_the_block() -> None:
    """The task is cancelled and awaited at the end of the block."""
    ended, running, before = list[str](), asyncio.Event(), len(asyncio.all_tasks())

    async def work() -> None:
        try:
            running.set()
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    async with background_task(work, CapturingLogger()):
        await running.wait()
    assert ended == ["ended"]
    assert len(asyncio.all_tasks()) == before
