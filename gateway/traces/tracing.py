"""What the composition root puts around the gateway's seams: nothing, or spans."""

from collections.abc import Callable, Mapping

from litestar.types import ASGIApp
from structlog.typing import FilteringBoundLogger, Processor

from gateway.rooms import LookupResult, RoomCache
from gateway.settings import Problem, SettingsError
from gateway.upstream import Send

from .requested import traces_requested

_INSTALL = "pip install 'live-room-gateway[otel]'"


class Tracing:
    """No traces: everything is left as it is."""

    processors: tuple[Processor, ...] = ()
    """Add to a log's event which trace it belongs to."""

    def trace_id(self) -> str | None:
        """Return the trace of the request that is being served, if there is one."""
        return None

    def application(self, app: ASGIApp, log: FilteringBoundLogger) -> ASGIApp:
        """Return `app` with a span around each request; `log` is told what goes wrong with that."""
        del log
        return app

    def room_cache(self, cache: RoomCache) -> RoomCache:
        """Return `cache` with a span around each lookup that memory cannot answer."""
        return cache

    def lookups(self, report: Callable[[LookupResult], None]) -> Callable[[LookupResult], None]:
        """Return `report` so that it also sets the result on the current span."""
        return report

    def attempts(self, send: Send) -> Send:
        """Return `send`, which makes one attempt at a call, with a span around it."""
        return send


NO_TRACES = Tracing()


def tracing_for(environ: Mapping[str, str]) -> Tracing:
    """Return what `environ` asks for; raise SettingsError where that cannot be given.

    No thread runs until the application starts up, so this may be done before a fork.
    """
    asking = traces_requested(environ)
    if asking is None:
        return NO_TRACES
    try:
        from .sdk import OpenTelemetry  # noqa: PLC0415  # an extra, which may not be installed
    except ImportError as error:
        rule = f"asks for traces, for which an extra is needed: {_INSTALL}"
        raise SettingsError(Problem(asking, rule)) from error
    return OpenTelemetry.from_environment(environ)
