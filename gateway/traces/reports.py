"""The SDK's warnings, once a minute in the gateway's own log.

The SDK logs with the standard library. Without a handler its lines end up on standard error,
several for each batch while a collector is down. They may quote a header of the configuration or of
a client, so an exception is reported by its type, and warnings about clients' headers are dropped.
"""

import logging
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

_OURS = ("opentelemetry.exporter", "opentelemetry.sdk")
_LIBRARIES = ("opentelemetry", "urllib3")
_EVERY = 60.0
_SILENCE = logging.NullHandler()


def silence_libraries() -> None:
    """Keep the logs of the SDK and its HTTP client from standard error."""
    for name in _LIBRARIES:
        logger = logging.getLogger(name)
        logger.addHandler(_SILENCE)
        logger.propagate = False


class Reports(logging.Handler):
    """A handler that reports warnings to `log`, from any thread; `timer` counts seconds."""

    def __init__(self, log: FilteringBoundLogger, timer: Callable[[], float]) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._timer = timer
        self._next = 0.0

    def begin(self) -> None:
        """Start listening."""
        for name in _OURS:
            logging.getLogger(name).addHandler(self)

    def end(self) -> None:
        """Stop listening."""
        for name in _OURS:
            logging.getLogger(name).removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Report a record, at most one a minute."""
        now = self._timer()
        if now >= self._next:
            self._next = now + _EVERY
            self._log.warning("traces_not_exported", reason=_text(record))


def _text(record: logging.LogRecord) -> str:
    given = record.args if isinstance(record.args, tuple) else ()
    shown = [type(each).__name__ if isinstance(each, BaseException) else each for each in given]
    return record.msg % tuple(shown) if shown else str(record.msg)
