"""Single flight: callers who want the same thing at the same time share one call.

The call is a task of its own: whoever started it may go away without failing the others, and an
error is raised to each of them once the one call has failed. When all have gone before it has
departed, it is given up: a line of calls that nobody waits for would be in the way of those who
come later. `forget` takes a flight off the board, so that the next caller starts a new one; a
flight can ask whether it is still on it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Call = Callable[[Callable[[], None]], Coroutine[Any, Any, T]]
"""Makes the call; it is given what to call when it departs, from when on it is never given up."""


class _Flight(Generic[T]):
    """One call under way, how many wait for it, and whether it goes on without them."""

    def __init__(self, call: Call[T]) -> None:
        self.waiting = 0
        self.departed = asyncio.Event()
        self.task = asyncio.create_task(call(self.departed.set))


class SingleFlight(Generic[T]):
    """Calls in flight, at most one current one a key."""

    def __init__(self) -> None:
        self._current: dict[str, _Flight[T]] = {}
        self._all: set[asyncio.Task[T]] = set()  # asyncio itself keeps no task alive

    def start(self, key: str, call: Call[T]) -> None:
        """Have a flight for `key`, which goes on although nobody waits for it."""
        self._flight(key, call).departed.set()

    async def join(self, key: str, call: Call[T]) -> T:
        """Return what the current flight for `key` returns, or raise what it raises."""
        flight = self._flight(key, call)
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.departed.is_set() and flight.task.cancel():
                self._take_off(key, flight)
            del flight  # an error's traceback has this frame, and the flight would have the error

    def __contains__(self, key: str) -> bool:
        """Whether there is a current flight for `key`."""
        return key in self._current

    def forget(self, key: str) -> None:
        """Let the next caller for `key` start anew."""
        self._current.pop(key, None)

    def is_current(self, key: str) -> bool:
        """Whether the task that asks is the current flight for `key`."""
        flight = self._current.get(key)
        return flight is not None and flight.task is asyncio.current_task()

    async def aclose(self) -> None:
        """Let every flight land."""
        await asyncio.gather(*self._all, return_exceptions=True)

    def _flight(self, key: str, call: Call[T]) -> _Flight[T]:
        flight = self._current.get(key)
        if flight is None:
            flight = _Flight(call)
            self._current[key] = flight
            self._all.add(flight.task)
            flight.task.add_done_callback(partial(self._land, key, flight))
        return flight

    def _land(self, key: str, flight: _Flight[T], task: asyncio.Task[T]) -> None:
        self._all.discard(task)
        self._take_off(key, flight)
        if not task.cancelled():
            task.exception()  # a refresh that nobody waits for may fail in silence

    def _take_off(self, key: str, flight: _Flight[T]) -> None:
        if self._current.get(key) is flight:
            del self._current[key]
