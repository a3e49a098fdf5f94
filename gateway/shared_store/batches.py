"""Calls to the store, those of one turn of the event loop as one pipeline.

A pipeline costs a quarter of its calls one by one. It runs in a task of its own, so a caller that
is cancelled never leaves a connection with half a reply. A few pipelines run at once; calls that
come meanwhile wait for the next one, which is then longer.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from .connection import Connected

Command = tuple[str | bytes | int, ...]

DEADLINE = 0.25
"""Seconds until a call without a reply has failed."""

_MOMENT = 0.02
"""The last seconds of it, which begin when the event loop has got there."""

_AT_ONCE = 4
"""Pipelines."""


class StoreUnavailable(Exception):
    """The store did not do this: it is down, late, or cannot write. Callers go on without it."""


class Pipeline(Protocol):
    """Commands that are sent together."""

    def execute_command(self, *args: str | bytes | int) -> object:
        """Add a command."""

    async def execute(self, *, raise_on_error: bool) -> list[Any]:
        """Send them all; return a result or an error for each."""


class Listener(Protocol):
    """Hears of each pipeline."""

    def replied(self, results: Sequence[Any], seconds: float) -> None:
        """Hear the results, errors among them."""

    def failed(self, error: Exception, calls: int, *, late: bool) -> None:
        """Hear that there was no reply, or not in time."""


class Batches:
    """Sends calls to the store, and tells `listener` of each pipeline."""

    def __init__(self, connected: Connected, listener: Listener) -> None:
        self._connected = connected
        self._listener = listener
        self._waiting: list[tuple[Command, asyncio.Future[Any]]] = []
        self._since = 0.0  # the time of the first of them
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = 0  # of them; one leaves the set a turn after its end
        self._begins = False
        self._loop: asyncio.AbstractEventLoop | None = None  # to ask for it each time is slow

    def call(self, command: Command) -> asyncio.Future[Any]:
        """Return the coming reply: a result, StoreUnavailable, or the store's error."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        reply = loop.create_future()
        if not self._waiting:
            self._since = loop.time()
        self._waiting.append((command, reply))
        if not self._begins and self._under_way < _AT_ONCE:
            self._begins = True
            loop.call_soon(self._begin)
        return reply

    def give_up(self) -> None:
        """Fail the calls that have not been sent."""
        waiting, self._waiting = self._waiting, []
        _fail(waiting)

    async def aclose(self) -> None:
        """Wait for the pipelines under way."""
        await asyncio.gather(*self._tasks)

    def _begin(self) -> None:
        self._begins = False
        self._under_way += 1
        task = asyncio.get_running_loop().create_task(self._send_all())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    await self._send(batch, self._since)
                finally:
                    _fail(batch)
        finally:
            self._under_way -= 1

    async def _send(self, batch: list[tuple[Command, asyncio.Future[Any]]], since: float) -> None:
        began = asyncio.get_running_loop().time()
        pipeline: Pipeline = self._connected.client.pipeline(transaction=False)
        for command, _ in batch:
            pipeline.execute_command(*command)
        try:
            async with _within(DEADLINE, since):
                results = await pipeline.execute(raise_on_error=False)
        except TimeoutError as error:
            self._listener.failed(error, len(batch), late=True)
            return
        except self._connected.failures as error:
            self._listener.failed(error, len(batch), late=False)
            return
        for (_, reply), result in zip(batch, results, strict=True):
            if not reply.done():
                if isinstance(result, Exception):
                    reply.set_exception(result)
                else:
                    reply.set_result(result)
        self._listener.replied(results, asyncio.get_running_loop().time() - began)


@asynccontextmanager
async def _within(seconds: float, since: float) -> AsyncGenerator[None]:
    """Raise TimeoutError if the block takes longer than `seconds` since then.

    If this process itself stood still, a reply may have come meanwhile: there is time to take it.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        timer = loop.call_at(
            since + seconds - _MOMENT, lambda: limit.reschedule(loop.time() + _MOMENT)
        )
        try:
            yield
        finally:
            timer.cancel()


def _fail(batch: Sequence[tuple[Command, asyncio.Future[Any]]]) -> None:
    for _, reply in batch:
        if not reply.done():
            reply.set_exception(StoreUnavailable())
            reply.exception()  # marks it as retrieved: nobody may wait for it
