"""Single flight: callers who want the same thing at the same time share one call.

The call is a task of its own: whoever started it may go away without failing the others, and an
error is raised to each of them once the one call has failed. `forget` takes a flight off the board,
so that the next caller starts a new one; a flight can ask whether it is still on it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Calls in flight, at most one current one a key."""

    def __init__(self) -> None:
        self._current: dict[str, asyncio.Task[T]] = {}
        self._all: set[asyncio.Task[T]] = set()  # asyncio itself keeps no task alive

    def start(self, key: str, call: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """Return the current flight for `key`, started with `call` where there is none."""
        flight = self._current.get(key)
        if flight is None:
            flight = asyncio.create_task(call())
            self._current[key] = flight
            self._all.add(flight)
            flight.add_done_callback(partial(self._land, key))
        return flight

    async def join(self, key: str, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what the current flight for `key` returns, or raise what it raises."""
        return await asyncio.shield(self.start(key, call))

    def forget(self, key: str) -> None:
        """Let the next caller for `key` start anew."""
        self._current.pop(key, None)

    def is_current(self, key: str) -> bool:
        """Whether the task that asks is the current flight for `key`."""
        return self._current.get(key) is asyncio.current_task()

    async def aclose(self) -> None:
        """Let every flight land."""
        await asyncio.gather(*self._all, return_exceptions=True)

    def _land(self, key: str, flight: asyncio.Task[T]) -> None:
        self._all.discard(flight)
        if self._current.get(key) is flight:
            del self._current[key]
        if not flight.cancelled():
            flight.exception()  # a refresh that nobody waits for may fail in silence
