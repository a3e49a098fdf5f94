"""The log and the access log of a worker."""

from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from .access import AccessLog


class Telemetry:
    """The `log` of events and the `access_log`, None where it is off.

    `close` ends both, after the last line.
    """

    def __init__(
        self,
        log: FilteringBoundLogger,
        access_log: AccessLog | None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.log = log
        self.access_log = access_log
        self.close = close
