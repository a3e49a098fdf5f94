"""Draining of native threads before a program ends."""

import _thread
import asyncio
import threading

from gateway.threads import drain_native_threads


def test_a_foreign_call_is_waited_for() -> None:
    """A native thread is waited for until it has left Python code."""
    inside, leave = threading.Event(), threading.Event()

    def call() -> None:
        inside.set()
        leave.wait()

    async def main() -> None:
        _thread.start_new_thread(call, ())
        inside.wait()
        waiting = asyncio.create_task(drain_native_threads())
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        assert not done
        leave.set()
        await asyncio.wait_for(waiting, timeout=5)

    asyncio.run(main())


def test_pythons_own_threads_are_not_waited_for() -> None:
    """Python's own threads are not waited for: the interpreter joins them."""
    leave = threading.Event()
    thread = threading.Thread(target=leave.wait)
    thread.start()
    try:
        asyncio.run(asyncio.wait_for(drain_native_threads(), timeout=0.5))
    finally:
        leave.set()
        thread.join()
