"""Traces by way of OpenTelemetry's SDK: who is traced, what is kept, where it goes."""

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

from .attempts import traced
from .export import Exporting
from .lookups import TracedRoomCache, on_span
from .reports import Reports, silence_libraries
from .requests import RequestSpans
from .tracing import Tracing

_NAME = "live-room-gateway"
_PROPAGATORS, _W3C = "OTEL_PROPAGATORS", "tracecontext"


class OpenTelemetry(Tracing):
    """Spans made by `provider`, which go to the processor that `begin` returns.

    `continued` says whether clients' traces go on.
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
        """Return what the process's environment says, of which `environ` is a copy."""
        silence_libraries()
        exporter = OTLPSpanExporter()
        provider = TracerProvider(resource=resource(), shutdown_on_exit=False)
        propagators = environ.get(_PROPAGATORS) or _W3C
        continued = _W3C in [each.strip() for each in propagators.split(",")]
        return cls(provider, lambda: BatchSpanProcessor(exporter), continued=continued)

    def trace_id(self) -> str | None:
        """Return the trace of the request that is being served, if there is one."""
        return _trace_id()

    def application(self, app: ASGIApp, log: FilteringBoundLogger) -> ASGIApp:
        """Return `app` with a span around each request; `log` is told what goes wrong with that."""
        spans = RequestSpans(app, self._tracer, continued=self._continued)
        return Exporting(spans, self._provider, self._begin, Reports(log, time.monotonic))

    def room_cache(self, cache: RoomCache) -> RoomCache:
        """Return `cache` with a span around each lookup that memory cannot answer."""
        return TracedRoomCache(cache, self._tracer)

    def lookups(self, report: Callable[[LookupResult], None]) -> Callable[[LookupResult], None]:
        """Return `report` so that it also sets the result on the current span."""
        return on_span(report)

    def attempts(self, send: Send) -> Send:
        """Return `send`, which makes one attempt at a call, with a span around it."""
        return traced(self._tracer, send)


def resource() -> Resource:
    """Return what the spans are of; the environment's word on the name or version goes first."""
    given = OTELResourceDetector().detect().attributes
    return Resource.create({SERVICE_NAME: _NAME, SERVICE_VERSION: __version__, **given})


def _with_trace_id(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    trace_id = _trace_id()
    return event if trace_id is None else {**event, "trace_id": trace_id}


def _trace_id() -> str | None:
    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else None
