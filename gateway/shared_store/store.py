"""The shared store: scripts, run within a quarter of a second or not at all.

Nothing is retried unseen. While the store is down its `state` is `degraded`, and every call fails
at once. A probe that writes, seven times a second, finds that out without a request, and finds a
store that answers but cannot write: one that is full, or a replica since a failover.

A call that must not be lost is kept and sent when the store is back, before any other. Of several
about one key the last one holds.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from gateway.telemetry import Counter, Histogram, current_request

from .batches import DEADLINE, Batches, Command, StoreUnavailable
from .circuit import Circuit
from .connection import Connected
from .outbox import Outbox
from .script import Script

OK: Final = "ok"
DEGRADED: Final = "degraded"
STORE_STATES = (OK, DEGRADED)
CALL_OUTCOMES = (OK, "failed", "late", "refused")

_PROBE_EVERY = 0.15
_MOMENT = 0.02
"""Seconds."""

_AT_ONCE = 500
"""Kept calls that are sent together."""

_PROBE = Script("redis.call('SET', KEYS[1], 1, 'PX', 1000)")


class SharedStore:
    """The store behind `connected`; every key begins with `prefix`; `clock` is monotonic.

    `calls` counts by outcome, one of `CALL_OUTCOMES`; `duration` has the seconds of each pipeline.
    """

    def __init__(
        self,
        connected: Connected,
        prefix: str,
        *,
        clock: Callable[[], float],
        log: FilteringBoundLogger,
        calls: Counter,
        duration: Histogram,
    ) -> None:
        self._connected = connected
        self._clock = clock
        self._log = log
        self._calls = calls
        self._duration = duration
        self._batches = Batches(connected, self)
        self._circuit = Circuit(clock, self._opened)
        self._outbox = Outbox()
        self.prefix = prefix

    @property
    def state(self) -> str:
        """One of `STORE_STATES`."""
        return DEGRADED if self._circuit.is_open else OK

    @property
    def unsent(self) -> int:
        """The number of calls that wait for the store to be back."""
        return len(self._outbox)

    async def run(self, script: Script, keys: Sequence[str], *args: bytes | int) -> Any:  # noqa: ANN401  # what the script returns
        """Return the reply of a script. Raises StoreUnavailable within 250 ms.

        All calls of one request together may not take longer. `keys` lack the prefix; those of one
        call are in one place of a cluster.
        """
        request, now = current_request(), self._clock()
        left = DEADLINE if request is None else DEADLINE - request.waited(now)
        if left <= 0:
            self._calls.inc("refused")
            raise StoreUnavailable
        if request is None:
            return await self.poll(script, keys, *args)
        request.begin_wait(now)
        try:
            if left > DEADLINE - _MOMENT:  # the call has a deadline of its own
                return await self.poll(script, keys, *args)
            async with asyncio.timeout(left):
                return await self.poll(script, keys, *args)
        except TimeoutError as error:
            raise StoreUnavailable from error
        finally:
            request.end_wait(self._clock())

    async def poll(self, script: Script, keys: Sequence[str], *args: bytes | int) -> Any:  # noqa: ANN401  # same
        """Do what `run` does for those who wait for another process, however often they ask."""
        if self._circuit.is_open:
            self._calls.inc("refused")
            raise StoreUnavailable
        return await self._run(script, keys, args)

    def send(self, script: Script, keys: Sequence[str], *args: bytes | int) -> None:
        """Run a script of which nobody needs to know whether it ran."""
        if self._circuit.is_open:
            self._calls.inc("refused")
            return

        def replied(reply: asyncio.Future[Any]) -> None:
            if not reply.cancelled() and isinstance(reply.exception(), self._connected.no_script):
                self._batches.call(self._whole(script, keys, args)).add_done_callback(_ignore)

        self._batches.call(self._command(script, keys, args)).add_done_callback(replied)

    async def deliver(self, script: Script, keys: Sequence[str], *args: bytes | int) -> Any:  # noqa: ANN401  # same
        """Run a script, now or when the store is back; return its reply, None without one."""
        call = (script, keys, args)
        if self._outbox.has_earlier(call):
            self._outbox.put(call)
            return None
        try:
            return await self.run(script, keys, *args)
        except StoreUnavailable as error:
            if not self._is_of_one_call(error.__cause__):
                self._outbox.put(call)
            return None

    async def watch(self) -> None:
        """Probe the store until cancelled."""
        while True:
            await asyncio.sleep(_PROBE_EVERY)
            await self.look()

    async def look(self) -> None:
        """Probe the store once; send kept calls, and let calls pass again, if it is back."""
        try:
            await self._run(_PROBE, [f"probe:{id(self):x}"], ())
        except StoreUnavailable:
            with suppress(*self._connected.failures):
                await self._connected.renew()
            return
        if self._circuit.is_open and not self._circuit.may_close():
            return
        if await self._send_kept() and self._circuit.is_open:
            self._circuit.close()
            self._log.info("store_back", unsent_lost=self._outbox.lost)
            self._outbox.lost = 0

    async def aclose(self) -> None:
        """Close the connections."""
        await self._batches.aclose()
        await self._connected.client.aclose()

    def replied(self, results: Sequence[Any], seconds: float) -> None:
        """Hear the results of a pipeline."""
        self._duration.observe(seconds)
        for result in results:
            if isinstance(result, Exception) and not self._is_of_one_call(result):
                self._calls.inc("failed")
                self._circuit.failed(str(result), is_sure=self._connected.unable(result))
            else:
                self._calls.inc(OK)
                self._circuit.succeeded()

    def failed(self, error: Exception, calls: int, *, late: bool) -> None:
        """Hear that a pipeline had no reply."""
        for _ in range(calls):
            self._calls.inc("late" if late else "failed")
        self._circuit.failed("no reply in time" if late else str(error), is_sure=late)

    async def _run(self, script: Script, keys: Sequence[str], args: Sequence[bytes | int]) -> Any:  # noqa: ANN401  # same
        try:
            return await self._batches.call(self._command(script, keys, args))
        except self._connected.no_script:  # it is new, or has forgotten its scripts
            whole = self._batches.call(self._whole(script, keys, args))
        except self._connected.failures as error:
            raise StoreUnavailable from error
        try:
            return await whole
        except self._connected.failures as error:
            raise StoreUnavailable from error

    def _command(self, script: Script, keys: Sequence[str], args: Sequence[bytes | int]) -> Command:
        named = (f"{self.prefix}:{key}".encode() for key in keys)
        return ("EVALSHA", script.sha, len(keys), *named, *args)

    def _whole(self, script: Script, keys: Sequence[str], args: Sequence[bytes | int]) -> Command:
        return ("EVAL", script.source, *self._command(script, keys, args)[2:])

    def _is_of_one_call(self, error: BaseException | None) -> bool:
        """Return whether an error tells nothing about the store's health."""
        if type(error) not in self._connected.of_one_call:
            return False
        return error is not None and not self._connected.unable(error)

    async def _send_kept(self) -> bool:
        """Send the kept calls, the oldest first; return whether all of them were sent."""
        while calls := self._outbox.first(_AT_ONCE):
            sent = await asyncio.gather(
                *(self._run(*call) for call in calls), return_exceptions=True
            )
            failed = False
            for call, result in zip(calls, sent, strict=True):
                if isinstance(result, BaseException) and not self._is_of_one_call(result.__cause__):
                    failed = True
                else:
                    self._outbox.drop(call)
            if failed:
                return False
        return True

    def _opened(self, reason: str) -> None:
        self._batches.give_up()
        self._log.warning("store_lost", reason=reason)


def _ignore(reply: asyncio.Future[Any]) -> None:
    if not reply.cancelled():
        reply.exception()  # marks it as retrieved
