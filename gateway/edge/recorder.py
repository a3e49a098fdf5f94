"""The records of a request: its metrics, its access line, its write, and an unexpected error."""

import logging
from collections.abc import Callable

from litestar.exceptions import HTTPException
from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from gateway.rooms import GatewayError, Hint, HintOutcome, Report, RoomWrite, SettledCreate
from gateway.telemetry import (
    AccessLog,
    Counter,
    Histogram,
    current_calls,
    current_request_id,
)

from .answers import Answer
from .exchange import Exchange
from .paths import ROOM
from .problems import code_of


class Recorder:
    """Records requests; an `access_log` of None is off."""

    def __init__(
        self,
        requests: Counter,
        duration: Histogram,
        problems: Counter,
        replays: Counter,
        access_log: AccessLog | None,
        log: FilteringBoundLogger,
    ) -> None:
        self.requests = requests
        self.duration = duration
        self.problems = problems
        self.replays = replays
        self.access_log = access_log
        self.log = log
        self._hits = {code: requests.bound(ROOM, "GET", str(code)) for code in (200, 304)}
        self._hit_took = duration.bound(ROOM)

    def hit(self, request_id: str, answer: Answer, user_id: str, seconds: float) -> None:
        """Record a read that was answered from memory."""
        self._hits[answer.status]()
        self._hit_took(seconds)
        if self.access_log is not None:
            self.access_log.write(
                request_id=request_id,
                method="GET",
                route=ROOM,
                status=answer.status,
                cut=False,
                seconds=seconds,
                user_id=user_id,
                cache=answer.cache,
                refused=None,
                calls=(),
            )

    def hit_failed(self, request_id: str, error: Exception) -> None:
        """Record an unexpected error of a read from memory, which is then answered otherwise."""
        self.log.error("request_failed", request_id=request_id, exc_info=error)

    def failed(self, error: Exception, exchange: Exchange) -> None:
        """Record an error; an unexpected one with its traceback."""
        self.problems.inc(code_of(error))
        if isinstance(error, GatewayError):
            exchange.replayed = error.replayed
        elif not isinstance(error, HTTPException):
            self.log.error("request_failed", request_id=exchange.request_id, exc_info=error)

    def ended(self, exchange: Exchange, method: str, route: str, seconds: float) -> None:
        """Record a request at its end; a stream's time is that of its client, no latency."""
        gone = exchange.cut or exchange.status is None
        status = "gone" if gone else str(exchange.status)
        self.requests.inc(route, method, status)
        if not exchange.streams:
            self.duration.observe(seconds, route)
        if exchange.replayed:
            self.replays.inc()
        if self.access_log is not None:
            self.access_log.write(
                request_id=exchange.request_id,
                method=method,
                route=route,
                status=exchange.status,
                cut=exchange.cut,
                seconds=seconds,
                user_id=exchange.user_id,
                cache=exchange.cache,
                refused=exchange.refused,
                calls=exchange.calls,
            )


class HintRecorder(Struct, frozen=True):
    """Records the vendor's hints, and creates that they settle; `caller_id` names a user."""

    callbacks: Counter
    creates: Counter
    log: FilteringBoundLogger
    caller_id: Callable[[str], str | None]

    def taken(self, hint: Hint, outcome: HintOutcome) -> None:
        """Record a hint; one of no room, of which there may be many, at level debug."""
        self.callbacks.inc(outcome)
        self.log.log(
            _severity(outcome),
            "callback_taken",
            outcome=outcome,
            request_id=current_request_id(),
            live_ids=hint.live_ids,
            upstream_request_id=hint.created_by,
        )

    def settled(self, create: SettledCreate) -> None:
        """Record a create that was open when a hint told of its room."""
        self.creates.inc("settled" if create.settled else "not_settled")
        self.log.log(
            _level(create),
            "unknown_create",
            settled=create.settled,
            request_id=current_request_id(),
            caller=self.caller_id(create.user_id),
            live_id=create.live_id,
            upstream_request_id=create.request_id,
        )


def _severity(outcome: HintOutcome) -> int:
    if outcome == HintOutcome.DROPPED:
        return logging.WARNING
    return logging.DEBUG if outcome == HintOutcome.IGNORED else logging.INFO


def _level(create: SettledCreate) -> int:
    return logging.INFO if create.settled else logging.WARNING


def write_recorder(log: FilteringBoundLogger, caller_id: Callable[[str], str | None]) -> Report:
    """Return a function that logs a write; `caller_id` returns the log's name of a user.

    The line has the code and request id of the last upstream call, which a support request to the
    vendor needs.
    """

    def record(write: RoomWrite) -> None:
        calls = current_calls()
        log.info(
            "room_write",
            operation=write.operation,
            outcome=write.outcome,
            request_id=current_request_id(),
            caller=caller_id(write.user_id),
            live_id=write.live_id,
            as_admin=write.as_admin,
            upstream_code=calls[-1].code if calls else None,
            upstream_request_id=calls[-1].request_id if calls else None,
        )

    return record
