"""The records of a request: its metrics, its access line, and the log of an unexpected error."""

from litestar.exceptions import HTTPException
from structlog.typing import FilteringBoundLogger

from gateway.rooms import GatewayError
from gateway.telemetry import AccessLog, Counter, Histogram

from .exchange import Exchange
from .problems import code_of

_GONE = "gone"


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
        self._requests = requests
        self._duration = duration
        self._problems = problems
        self._replays = replays
        self._access_log = access_log
        self._log = log

    def failed(self, error: Exception, exchange: Exchange) -> None:
        """Record an error; an unexpected one with its traceback."""
        self._problems.inc(code_of(error))
        if isinstance(error, GatewayError):
            exchange.replayed = error.replayed
        elif not isinstance(error, HTTPException):
            self._log.error("request_failed", request_id=exchange.request_id, exc_info=error)

    def ended(self, exchange: Exchange, method: str, route: str, seconds: float) -> None:
        """Record a request at its end; a stream's time is that of its client, no latency."""
        status = _GONE if exchange.status is None else str(exchange.status)
        self._requests.inc(route, method, status)
        if not exchange.streams:
            self._duration.observe(seconds, route)
        if exchange.replayed:
            self._replays.inc()
        if self._access_log is not None:
            self._access_log.write(
                request_id=exchange.request_id,
                method=method,
                route=route,
                status=exchange.status,
                seconds=seconds,
                user_id=exchange.user_id,
                cache=exchange.cache,
                calls=exchange.calls,
            )
