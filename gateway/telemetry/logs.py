"""The log of events, one line each: JSON for machines or aligned text for people.

Tracebacks show no local variables, since those may hold a token, a key or a push URL. An object
that is not plain JSON data is shown as its repr, never by its fields.
"""

import logging
from datetime import UTC, datetime
from typing import BinaryIO, cast

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger, Processor

from .sink import Sink, Stream

_SCALARS = (str, int, float, type(None))


def build_logger(level: str, style: str, stream: Stream, *more: Processor) -> FilteringBoundLogger:
    """Return a logger that writes to `stream`.

    `level` is the name of a standard level in lower case, `style` is `json` or `console`. `more`
    processors run first.
    """
    finish = _json() if style == "json" else _console()
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.BytesLogger(cast("BinaryIO", stream)),  # it only writes and flushes
        processors=[*more, structlog.processors.add_log_level, *finish],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
    )
    return log


class ServerLine(logging.Formatter):
    """A formatter that turns a line of the HTTP server into the event `server`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        event: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "event": "server",
            "message": _printable(record.getMessage()),
        }
        if record.exc_info:
            event["exception"] = _printable(self.formatException(record.exc_info))
        return msgspec.json.encode(event).decode()


class SinkHandler(logging.Handler):
    """A handler that writes to `sink`, which must be one of this process: a fork sets another."""

    def __init__(self, sink: Sink, style: str) -> None:
        super().__init__()
        self.sink = sink
        self.setFormatter(ServerLine() if style == "json" else logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line."""
        self.sink.write(f"{self.format(record)}\n".encode(errors="backslashreplace"))


def _printable(text: str) -> str:
    """Return `text` without lone surrogates, which JSON cannot have."""
    return text.encode(errors="backslashreplace").decode()


def _json() -> list[Processor]:
    transform = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    time = structlog.processors.TimeStamper(fmt="iso", utc=True)
    return [time, structlog.processors.ExceptionRenderer(transform), _encode]


def _console() -> list[Processor]:
    time = structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
    renderer = structlog.dev.ConsoleRenderer(
        colors=False,
        exception_formatter=structlog.dev.plain_traceback,
        pad_event_to=40,
        sort_keys=False,
    )
    return [time, renderer, lambda _logger, _name, line: str(line).encode()]


def _encode(_logger: object, _name: str, event: object) -> bytes:
    return msgspec.json.encode(_plain(event))


def _plain(value: object) -> object:
    """Return `value` as JSON data; msgspec would encode every field of an object."""
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return repr(value)
