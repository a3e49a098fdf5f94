"""Single flight: concurrent callers with the same key share one call.

- The call runs in a task of its own, and each caller waits for a future of its own. A caller that
  is cancelled, or whose time is over, fails nobody else; an error is raised to every caller.
- A call that no caller waits for is cancelled, unless it has been sent. A queue of abandoned calls
  would delay later callers.
- `on_end` of a caller is called once: when the call that it began has ended, however it ended, or
  at once if there was one to join.
- `forget` detaches a running call from its key: its callers still get the result, and the next
  caller starts a new call. A call can ask whether it is still current.
"""

import asyncio
import math
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Call = Callable[[Callable[[], None]], Coroutine[Any, Any, T]]
"""Makes the call. Its argument reports that the call was sent and must run to its end."""


def _nothing() -> None:
    """Do nothing at the end of a call."""


def _expire(waiter: asyncio.Future[T]) -> None:
    """End a wait whose time is over."""
    if not waiter.done():
        waiter.set_exception(TimeoutError())


class _Sent:
    """Is called once a call was sent; its frames refer to this, not to the flight: no cycle."""

    __slots__ = ("yet",)

    def __init__(self) -> None:
        self.yet = False

    def __call__(self) -> None:
        self.yet = True


class _Flight(Generic[T]):
    """One running call, its callers' futures, and what its end is told to."""

    __slots__ = ("on_end", "sent", "task", "waiters")

    def __init__(self, call: Call[T], on_end: Callable[[], None]) -> None:
        self.waiters: set[asyncio.Future[T]] = set()
        self.on_end = on_end
        self.sent = _Sent()
        self.task = asyncio.create_task(call(self.sent))

    def settle(self) -> None:
        """Pass the outcome of the call on to those who wait."""
        task = self.task
        error = None if task.cancelled() else task.exception()  # now it counts as retrieved
        for waiter in self.waiters:
            if waiter.done():
                continue
            if task.cancelled():
                waiter.cancel()
            elif error is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(task.result())


class SingleFlight(Generic[T]):
    """Running calls, at most one current call per key."""

    def __init__(self) -> None:
        self._current: dict[str, _Flight[T]] = {}
        self._tasks: set[asyncio.Task[T]] = set()  # asyncio keeps only weak references to tasks

    async def join(
        self,
        key: str,
        call: Call[T],
        on_end: Callable[[], None] = _nothing,
        *,
        until: float = math.inf,
    ) -> T:
        """Return the result of the current call for `key`, starting `call` if there is none.

        `until` is on the event loop's clock. Raises TimeoutError then.
        """
        flight = self._flight(key, call, on_end)
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        flight.waiters.add(waiter)
        end = None if until == math.inf else loop.call_at(until, _expire, waiter)
        try:
            return await waiter
        finally:
            if end is not None:
                end.cancel()
            flight.waiters.discard(waiter)
            if not flight.waiters and not flight.sent.yet and flight.task.cancel():
                self._remove(key, flight)
            del flight, waiter  # breaks a cycle: error → traceback → this frame → waiter → error

    def start(self, key: str, call: Call[T], on_end: Callable[[], None] = _nothing) -> None:
        """Run `call` in the background to its end, unless there is a current call for `key`."""
        self._flight(key, call, on_end).sent()

    def forget(self, key: str) -> None:
        """Let the next caller for `key` start a new call."""
        self._current.pop(key, None)

    def forget_all(self) -> None:
        """Let the next callers for each key start new calls."""
        self._current.clear()

    def __contains__(self, key: str) -> bool:
        """Return whether there is a current call for `key`."""
        return key in self._current

    def is_current(self, key: str) -> bool:
        """Return whether the running task is the current call for `key`."""
        flight = self._current.get(key)
        return flight is not None and flight.task is asyncio.current_task()

    async def aclose(self) -> None:
        """Wait for every running call to end."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _flight(self, key: str, call: Call[T], on_end: Callable[[], None]) -> _Flight[T]:
        flight = self._current.get(key)
        if flight is None:
            flight = self._current[key] = _Flight(call, on_end)
            self._tasks.add(flight.task)
            flight.task.add_done_callback(partial(self._ended, key, flight))
        else:
            on_end()
        return flight

    def _ended(self, key: str, flight: _Flight[T], task: asyncio.Task[T]) -> None:
        self._tasks.discard(task)
        self._remove(key, flight)
        flight.on_end()
        flight.settle()

    def _remove(self, key: str, flight: _Flight[T]) -> None:
        if self._current.get(key) is flight:
            del self._current[key]
