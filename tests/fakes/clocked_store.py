"""A store whose scripts get the time of a test's clock."""

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

from gateway.metrics import Metrics
from gateway.shared_store import NOW, Connected, Script, SharedStore
from gateway.telemetry import build_logger


class ClockedStore(SharedStore):
    """The store behind `connected`, where a script's `now` is `clock` in milliseconds."""

    def __init__(self, connected: Connected, prefix: str, clock: Callable[[], float]) -> None:
        metrics = Metrics()
        super().__init__(
            connected,
            prefix,
            clock=clock,
            log=build_logger("critical", "json", BytesIO()),
            calls=metrics.store_calls,
            duration=metrics.store_duration,
        )
        self._now = clock

    async def run(self, script: Script, keys: Sequence[str], *args: bytes | int) -> Any:
        """Run a script now."""
        text = script.source.decode().replace(NOW, f"local now = {self._now() * 1000:.0f}\n")
        return await super().run(Script(text), keys, *args)
