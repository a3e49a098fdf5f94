"""A store whose scripts get the time of a test's clock."""

from collections.abc import Callable, Sequence
from functools import cache
from io import BytesIO
from typing import Any

from gateway.metrics import Metrics
from gateway.shared_store import NOW, Connected, Script, SharedStore
from gateway.telemetry import build_logger


class ClockedStore(SharedStore):
    """The store behind `connected`, where a script's `now` is `clock` in milliseconds."""

    def __init__(self, connected: Connected, prefix: str, clock: Callable[[], float]) -> None:
        self.metrics = metrics = Metrics()
        super().__init__(
            connected,
            prefix,
            clock=clock,
            log=build_logger("critical", "json", BytesIO()),
            calls=metrics.store_calls,
            duration=metrics.store_duration,
        )
        self._now = clock

    def send(self, script: Script, keys: Sequence[str], *args: bytes | int) -> None:
        """Run a script now, and wait for nothing."""
        super().send(_clocked(script), keys, *args, self._moment())

    async def _run(self, script: Script, keys: Sequence[str], args: Sequence[bytes | int]) -> Any:
        return await super()._run(_clocked(script), keys, (*args, self._moment()))

    def _moment(self) -> bytes:
        """Return the time, which is one more argument."""
        return repr(self._now() * 1000).encode()


@cache
def _clocked(script: Script) -> Script:
    text = script.source.decode().replace(NOW, "local now = tonumber(table.remove(ARGV))\n")
    return Script(text)
