"""Tracing of the gateway's seams: none, unless the environment asks for it."""

from collections.abc import Callable, Mapping

from litestar.types import ASGIApp
from msgspec import Struct
from structlog.typing import FilteringBoundLogger, Processor

from gateway.rooms import LookupResult, RoomCache
from gateway.settings import Problem, SettingsError
from gateway.upstream import Send

from .requested import traces_requested

Report = Callable[[LookupResult], None]


class Tracing(Struct, frozen=True):
    """Functions that wrap the traced seams; by default each returns its seam as it is."""

    processors: tuple[Processor, ...] = ()
    """Log processors that add the trace id to an event."""

    trace_id: Callable[[], str | None] = lambda: None
    """Return the trace id of the request being served, or None."""

    application: Callable[[ASGIApp, FilteringBoundLogger], ASGIApp] = lambda app, _log: app
    """Put a span around each request; failed exports go to the log."""

    room_cache: Callable[[RoomCache], RoomCache] = lambda cache: cache
    """Put a span around each lookup that memory cannot answer."""

    lookups: Callable[[Report], Report] = lambda report: report
    """Have a report of lookups also set the result on the current span."""

    attempts: Callable[[str, Send], Send] = lambda _base_url, send: send
    """Put a span around each attempt at a call to a base URL."""


NO_TRACES = Tracing()


def tracing_for(environ: Mapping[str, str]) -> Tracing:
    """Return the tracing that `environ` asks for. Raises SettingsError if that is impossible.

    No thread runs until the application starts, so this may be called before a fork.
    """
    asking = traces_requested(environ)
    if asking is None:
        return NO_TRACES
    try:
        from .sdk import from_environment  # noqa: PLC0415  # an extra, perhaps not installed
    except ImportError as error:
        rule = "asks for traces, which need an extra: pip install 'live-room-gateway[otel]'"
        raise SettingsError(Problem(asking, rule)) from error
    return from_environment(environ)
