"""What the SDK logs, said once a minute in the gateway's own log.

It logs by way of the standard library, where nobody listens here, so that its lines would end up on
standard error, several for each batch while a collector is down. They may quote a header of the
configuration or of a client, so an exception is told by its type, and what only a client can cause
not at all.
"""

import logging
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

_OURS = ("opentelemetry.exporter", "opentelemetry.sdk")
_LIBRARIES = ("opentelemetry", "urllib3")
_EVERY = 60.0
_SILENCE = logging.NullHandler()


def silence_libraries() -> None:
    """Keep what the SDK and its HTTP client log from standard error."""
    for name in _LIBRARIES:
        logger = logging.getLogger(name)
        logger.addHandler(_SILENCE)
        logger.propagate = False


class Reports(logging.Handler):
    """Tells `log` of warnings, from whatever thread; `timer` counts seconds."""

    def __init__(self, log: FilteringBoundLogger, timer: Callable[[], float]) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._timer = timer
        self._next = 0.0

    def begin(self) -> None:
        """Listen."""
        for name in _OURS:
            logging.getLogger(name).addHandler(self)

    def end(self) -> None:
        """Listen no more."""
        for name in _OURS:
            logging.getLogger(name).removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Tell of a record, unless another was told of just now."""
        now = self._timer()
        if now >= self._next:
            self._next = now + _EVERY
            self._log.warning("traces_not_exported", reason=_text(record))


def _text(record: logging.LogRecord) -> str:
    given = record.args if isinstance(record.args, tuple) else ()
    told = [type(each).__name__ if isinstance(each, BaseException) else each for each in given]
    return record.msg % tuple(told) if told else str(record.msg)
