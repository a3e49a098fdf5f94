"""Traces with OpenTelemetry's SDK: tracers, sampling and export from the environment."""

import time
from collections.abc import Callable, Mapping
from functools import partial

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

from .attempts import with_span
from .export import exporting
from .lookups import TracedRoomCache, on_span
from .reports import Reports, silence_libraries
from .requests import with_request_spans
from .tracing import Tracing

_PROPAGATORS, _W3C = "OTEL_PROPAGATORS", "tracecontext"


def from_environment(environ: Mapping[str, str]) -> Tracing:
    """Return traces as the process's environment asks; `environ` is a copy of it."""
    silence_libraries()
    exporter = OTLPSpanExporter()
    provider = TracerProvider(resource=resource(), shutdown_on_exit=False)
    propagators = environ.get(_PROPAGATORS) or _W3C
    continued = _W3C in [each.strip() for each in propagators.split(",")]
    return open_telemetry(provider, lambda: BatchSpanProcessor(exporter), continued=continued)


def open_telemetry(
    provider: TracerProvider, begin: Callable[[], SpanProcessor], *, continued: bool = True
) -> Tracing:
    """Return traces with spans of `provider`, for the processor that `begin` returns.

    Clients' traces are `continued` or not.
    """
    tracer = provider.get_tracer("gateway", __version__)

    def application(app: ASGIApp, log: FilteringBoundLogger) -> ASGIApp:
        spans = with_request_spans(app, tracer, continued=continued)
        return exporting(spans, provider, begin, Reports(log, time.monotonic))

    return Tracing(
        processors=(_with_trace_id,),
        trace_id=_trace_id,
        application=application,
        room_cache=partial(TracedRoomCache, tracer=tracer),
        lookups=on_span,
        attempts=partial(with_span, tracer),
    )


def resource() -> Resource:
    """Return the resource of all spans; the environment's name and version take precedence."""
    given = OTELResourceDetector().detect().attributes
    ours = {SERVICE_NAME: "live-room-gateway", SERVICE_VERSION: __version__}
    return Resource.create({**ours, **given})


def _with_trace_id(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    trace_id = _trace_id()
    return event if trace_id is None else {**event, "trace_id": trace_id}


def _trace_id() -> str | None:
    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else None
