"""The access log, one line per request, and the logs of a worker.

It is by far the most frequent line. Its JSON is encoded directly, in a microsecond; structlog's
processors would take twelve. Its fields are given by place: by name they take six times as long.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache

import msgspec
from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from .request_context import UpstreamCall
from .sink import Stream

_CALLERS = 10_000
_LONGEST_METHOD = 32
_FOR_PEOPLE = (
    *(
        "milliseconds",
        "cut",
        "cache",
        "refused",
        "upstream_code",
        "caller",
        "request_id",
        "upstream_request_id",
    ),
    "trace_id",
)
_NO_CALL = UpstreamCall(None, None)


class RequestLine(Struct, gc=False, omit_defaults=True):
    """The line of a request; the fields are those of `AccessLog.write`."""

    timestamp: datetime
    level: str
    event: str
    request_id: str
    method: str
    route: str
    status: int | None
    milliseconds: float
    cut: bool | None = None
    caller: str | None = None
    cache: str | None = None
    refused: str | None = None
    upstream_calls: int = 0
    upstream_code: int | None = None
    upstream_request_id: str | None = None
    trace_id: str | None = None


class AccessLog(Struct, frozen=True):
    """A log that passes each line to `emit`.

    `caller_id` returns the log's name of a user, `trace_id` the id of the current trace; None
    leaves the field out.
    """

    emit: Callable[[RequestLine], object]
    caller_id: Callable[[str], str | None]
    trace_id: Callable[[], str | None] = lambda: None

    def write(  # noqa: PLR0913  # the fields of a line
        self,
        *,
        request_id: str,
        method: str,
        route: str,
        status: int | None,
        cut: bool,
        seconds: float,
        user_id: str | None,
        cache: str | None,
        refused: str | None,
        calls: Sequence[UpstreamCall],
    ) -> None:
        """Write the line of a request.

        `route` is a template, `status` None if the client left before its response, `cut` True if
        it did not read all of it, `cache` the origin of a room, `refused` the reason for a 401. The
        line has the number of upstream `calls`, and the code and request id of the last.
        """
        last = calls[-1] if calls else _NO_CALL
        line = RequestLine(
            datetime.now(UTC),
            "info",
            "request",
            request_id,
            method[:_LONGEST_METHOD],
            route,
            status,
            round(seconds * 1000, 2),
            cut or None,
            None if user_id is None else self.caller_id(user_id),
            cache,
            refused,
            len(calls),
            last.code,
            last.request_id,
            self.trace_id(),
        )
        self.emit(line)


class Telemetry(Struct, frozen=True):
    """The `log` of events and the `access_log`, None where it is off.

    `caller_id` returns the log's name of a user, None where users are not logged. `close` ends both
    logs, after the last line.
    """

    log: FilteringBoundLogger
    access_log: AccessLog | None
    caller_id: Callable[[str], str | None] = lambda _: None
    close: Callable[[], None] = lambda: None


def as_json(stream: Stream) -> Callable[[RequestLine], None]:
    """Return a function that writes a line to `stream` as JSON."""
    encode = msgspec.json.Encoder().encode

    def emit(line: RequestLine) -> None:
        stream.write(encode(line) + b"\n")

    return emit


def as_event(log: FilteringBoundLogger) -> Callable[[RequestLine], None]:
    """Return a function that logs a line to `log`, for people."""

    def emit(line: RequestLine) -> None:
        event = f"{line.method} {line.route} {line.status or 'client gone'}"
        fields = {name: getattr(line, name) for name in _FOR_PEOPLE}
        log.info(event, **{name: value for name, value in fields.items() if value is not None})

    return emit


def caller_ids(key: bytes) -> Callable[[str], str]:
    """Return a function from a user id to its hash, keyed with `key` (BLAKE2b, 64 bits).

    User ids are easily guessed, so a hash without a key would reveal them.
    """
    secret = hashlib.blake2b(key, digest_size=32, person=b"caller-id").digest()

    @lru_cache(_CALLERS)
    def caller_id(user_id: str) -> str:
        return hashlib.blake2b(user_id.encode(), digest_size=8, key=secret).hexdigest()

    return caller_id
