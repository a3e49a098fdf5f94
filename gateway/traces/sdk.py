"""Traces with OpenTelemetry's SDK: tracers, sampling and export from the environment."""

import time
from collections.abc import Callable, Mapping

from litestar.types import ASGIApp
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import (
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import format_trace_id, get_current_span
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from gateway import __version__
from gateway.rooms import LookupResult, RoomCache
from gateway.upstream import Send

from .attempts import with_span
from .export import Exporting
from .lookups import TracedRoomCache, on_span
from .reports import Reports, silence_libraries
from .requests import RequestSpans
from .tracing import Tracing

_NAME = "live-room-gateway"
_PROPAGATORS, _W3C = "OTEL_PROPAGATORS", "tracecontext"


class OpenTelemetry(Tracing):
    """Spans of `provider`, for the processor that `begin` returns.

    Clients' traces are `continued` or not.
    """

    def __init__(
        self,
        provider: TracerProvider,
        begin: Callable[[], SpanProcessor],
        *,
        continued: bool = True,
    ) -> None:
        self._provider = provider
        self._begin = begin
        self._continued = continued
        self._tracer = provider.get_tracer("gateway", __version__)
        self.processors = (_with_trace_id,)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "OpenTelemetry":
        """Return traces as the process's environment asks; `environ` is a copy of it."""
        silence_libraries()
        exporter = OTLPSpanExporter()
        provider = TracerProvider(resource=resource(), shutdown_on_exit=False)
        propagators = environ.get(_PROPAGATORS) or _W3C
        continued = _W3C in [each.strip() for each in propagators.split(",")]
        return cls(provider, lambda: BatchSpanProcessor(exporter), continued=continued)

    def trace_id(self) -> str | None:
        """Return the trace id of the request being served, or None."""
        return _trace_id()

    def application(self, app: ASGIApp, log: FilteringBoundLogger) -> ASGIApp:
        """Return `app` with a span around each request; failed exports go to `log`."""
        spans = RequestSpans(app, self._tracer, continued=self._continued)
        return Exporting(spans, self._provider, self._begin, Reports(log, time.monotonic))

    def room_cache(self, cache: RoomCache) -> RoomCache:
        """Return `cache` with a span around each lookup that memory cannot answer."""
        return TracedRoomCache(cache, self._tracer)

    def lookups(self, report: Callable[[LookupResult], None]) -> Callable[[LookupResult], None]:
        """Return `report` so that it also sets the result on the current span."""
        return on_span(report)

    def attempts(self, base_url: str, send: Send) -> Send:
        """Return `send` with a span around each attempt at a call to `base_url`."""
        return with_span(self._tracer, base_url, send)


def resource() -> Resource:
    """Return the resource of all spans; the environment's name and version take precedence."""
    given = OTELResourceDetector().detect().attributes
    return Resource.create({SERVICE_NAME: _NAME, SERVICE_VERSION: __version__, **given})


def _with_trace_id(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    trace_id = _trace_id()
    return event if trace_id is None else {**event, "trace_id": trace_id}


def _trace_id() -> str | None:
    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else None
