"""Single flight: concurrent callers with the same key share one call.

- The call runs in a task of its own. A caller that is cancelled fails nobody else, and an error is
  raised to every caller.
- A call that no caller waits for is cancelled, unless it has been sent. A queue of abandoned calls
  would delay later callers.
- `on_end` of a caller is called once: when the call that it began has ended, however it ended, or
  at once if there was one to join.
- `forget` detaches a running call from its key: its callers still get the result, and the next
  caller starts a new call. A call can ask whether it is still current.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Call = Callable[[Callable[[], None]], Coroutine[Any, Any, T]]
"""Makes the call. Its argument reports that the call was sent and must run to its end."""


def _nothing() -> None:
    """Do nothing at the end of a call."""


class _Flight(Generic[T]):
    """One running call, the number of callers that wait for it, and what its end is told to."""

    def __init__(self, call: Call[T], on_end: Callable[[], None]) -> None:
        self.waiting = 0
        self.on_end = on_end
        self.sent = asyncio.Event()  # the call's frames refer to this, not to the flight: no cycle
        self.task = asyncio.create_task(call(self.sent.set))


class SingleFlight(Generic[T]):
    """Running calls, at most one current call per key."""

    def __init__(self) -> None:
        self._current: dict[str, _Flight[T]] = {}
        self._tasks: set[asyncio.Task[T]] = set()  # asyncio keeps only weak references to tasks

    async def join(self, key: str, call: Call[T], on_end: Callable[[], None] = _nothing) -> T:
        """Return the result of the current call for `key`, starting `call` if there is none."""
        flight = self._flight(key, call, on_end)
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.sent.is_set() and flight.task.cancel():
                self._remove(key, flight)
            del flight  # breaks a cycle: error → traceback → this frame → flight → task → error

    def start(self, key: str, call: Call[T], on_end: Callable[[], None] = _nothing) -> None:
        """Run `call` in the background to its end, unless there is a current call for `key`."""
        self._flight(key, call, on_end).sent.set()

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
        if not task.cancelled():
            task.exception()  # marks it as retrieved: a background call may fail without a caller

    def _remove(self, key: str, flight: _Flight[T]) -> None:
        if self._current.get(key) is flight:
            del self._current[key]
