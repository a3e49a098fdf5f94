"""A store whose scripts get the time of a test's clock."""

from collections.abc import Callable, Sequence
from functools import cache
from io import BytesIO
from typing import Any

from gateway.metrics import Metrics
from gateway.shared_store import NOW, Connected, Script, SharedStore
from gateway.telemetry import build_logger


class ClockedStore(SharedStore):
    """The store behind `connected`, where a script's `now` is `clock` in milliseconds.

    Events go to `events`.
    """

    def __init__(self, connected: Connected, prefix: str, clock: Callable[[], float]) -> None:
        metrics = Metrics()
        self.events = BytesIO()
        super().__init__(
            connected,
            prefix,
            clock=clock,
            log=build_logger("info", "json", self.events),
            calls=metrics.store_calls,
            duration=metrics.store_duration,
        )
        self._now = clock

    def send(self, script: Script, keys: Sequence[str], *args: bytes | int) -> None:
        """Run a script of which nobody needs to know whether it ran."""
        super().send(_clocked(script), keys, *args, *self._time(script))

    async def _run(self, script: Script, keys: Sequence[str], args: Sequence[bytes | int]) -> Any:
        return await super()._run(_clocked(script), keys, (*args, *self._time(script)))

    def _time(self, script: Script) -> tuple[bytes, ...]:
        """Return one more argument, the time, for a script that needs it."""
        return (repr(self._now() * 1000).encode(),) if NOW.encode() in script.source else ()


@cache
def _clocked(script: Script) -> Script:
    text = script.source.decode().replace(NOW, "local now = tonumber(table.remove(ARGV))\n")
    return Script(text)
