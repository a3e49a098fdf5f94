"""An event loop in a thread beside a process's main work, which it never holds up.

- The end of the process does not wait for it, nor for a name that is being looked up: a lookup may
  take half a minute, and Python waits for the threads of an executor.
- A fork waits until the thread waits too, for a second at most. Otherwise a lock that the thread
  holds in a library, such as OpenSSL, would be held for ever in the forked process.
- A forked process closes the connections of this one that it has inherited. Otherwise the other
  side would take them for open.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from functools import partial
from selectors import BaseSelector, DefaultSelector, SelectorKey
from threading import Lock, Thread
from typing import Any, TypeVar, TypeVarTuple

Work = Callable[[asyncio.Event], Coroutine[Any, Any, None]]

_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")

_CALLS = 4
"""Names looked up at once."""

_END = 1.0
"""Seconds in which the work may end."""

_STEP = 1.0
"""Seconds for one step of the work; a fork waits no longer for it."""


@contextmanager
def beside(work: Work, name: str) -> Iterator[None]:
    """Run `work` in a thread of this name until the block is left; its event is set then."""
    stop = asyncio.Event()
    works = Lock()
    loop = SideLoop(selector := _YieldingSelector(works))
    held: list[bool] = []

    def hold() -> None:
        held.append(works.acquire(timeout=_STEP))

    def release() -> None:
        if held.pop():
            works.release()

    os.register_at_fork(
        before=hold, after_in_parent=release, after_in_child=partial(_let_go, selector)
    )
    thread = Thread(target=_run, args=(loop, work, stop, works), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with suppress(RuntimeError):  # the work has failed, and its loop is closed
            loop.call_soon_threadsafe(stop.set)
        thread.join(_END)


def _run(loop: "SideLoop", work: Work, stop: asyncio.Event, works: Lock) -> None:
    with works, asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(work(stop))


class _YieldingSelector(DefaultSelector):
    """A selector that lets go of the lock `works` while it waits."""

    def __init__(self, works: Lock) -> None:
        super().__init__()
        self._works = works

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Wait for events."""
        self._works.release()
        try:
            return super().select(timeout)
        finally:
            self._works.acquire()


def _let_go(selector: BaseSelector) -> None:
    """Close what `selector` watches. The numbers stay taken, as objects still have them."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for key in (selector.get_map() or {}).values():
        os.dup2(nothing, key.fd, inheritable=False)
    os.close(nothing)


class SideLoop(asyncio.SelectorEventLoop):
    """An event loop whose lookups of names, and other calls that block, run in daemon threads."""

    def __init__(self, selector: BaseSelector) -> None:
        super().__init__(selector)
        self._calls = 0

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*_Args], _T], *args: *_Args
    ) -> asyncio.Future[_T]:
        """Call `func` in a thread of its own. Raises OSError if too many such calls run already."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        if self._calls >= _CALLS:
            raise OSError("earlier lookups are still under way")
        self._calls += 1
        reply: asyncio.Future[_T] = self.create_future()

        def call() -> None:
            try:
                answer = partial(reply.set_result, func(*args))
            except Exception as error:  # noqa: BLE001  # passed on
                answer = partial(reply.set_exception, error)
            with suppress(RuntimeError):  # the loop is closed
                self.call_soon_threadsafe(self._called, reply, answer)

        Thread(target=call, name="lookup", daemon=True).start()
        return reply

    def _called(self, reply: asyncio.Future[_T], answer: Callable[[], None]) -> None:
        self._calls -= 1
        if not reply.done():  # somebody still waits
            answer()
