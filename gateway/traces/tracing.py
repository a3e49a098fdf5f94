"""Tracing of the gateway's seams: none, unless the environment asks for it."""

from collections.abc import Callable, Mapping

from litestar.types import ASGIApp
from structlog.typing import FilteringBoundLogger, Processor

from gateway.rooms import LookupResult, RoomCache
from gateway.settings import Problem, SettingsError
from gateway.upstream import Send

from .requested import traces_requested

_INSTALL = "pip install 'live-room-gateway[otel]'"


class Tracing:
    """No traces: every seam stays as it is."""

    processors: tuple[Processor, ...] = ()
    """Log processors that add the trace id to an event."""

    def trace_id(self) -> str | None:
        """Return the trace id of the request being served, or None."""
        return None

    def application(self, app: ASGIApp, log: FilteringBoundLogger) -> ASGIApp:
        """Return `app` with a span around each request; failed exports go to `log`."""
        del log
        return app

    def room_cache(self, cache: RoomCache) -> RoomCache:
        """Return `cache` with a span around each lookup that memory cannot answer."""
        return cache

    def lookups(self, report: Callable[[LookupResult], None]) -> Callable[[LookupResult], None]:
        """Return `report` so that it also sets the result on the current span."""
        return report

    def attempts(self, base_url: str, send: Send) -> Send:
        """Return `send` with a span around each attempt at a call to `base_url`."""
        del base_url
        return send


NO_TRACES = Tracing()


def tracing_for(environ: Mapping[str, str]) -> Tracing:
    """Return the tracing that `environ` asks for. Raises SettingsError if that is impossible.

    No thread runs until the application starts, so this may be called before a fork.
    """
    asking = traces_requested(environ)
    if asking is None:
        return NO_TRACES
    try:
        from .sdk import OpenTelemetry  # noqa: PLC0415  # an extra, perhaps not installed
    except ImportError as error:
        rule = f"asks for traces, which need an extra: {_INSTALL}"
        raise SettingsError(Problem(asking, rule)) from error
    return OpenTelemetry.from_environment(environ)
