"""All that a worker tells, in one place."""

from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from .access import AccessLog
from .metrics import Metrics


class Telemetry:
    """The `log` of events, the `access_log`, None where it is off, and the `metrics`.

    `close` is called once nothing will be told any more.
    """

    def __init__(
        self,
        log: FilteringBoundLogger,
        access_log: AccessLog | None,
        metrics: Metrics,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.log = log
        self.access_log = access_log
        self.metrics = metrics
        self.close = close
