"""A tracer that keeps its finished spans, and the ids of a client's spans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, Tracer

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
NOT_SAMPLED = f"00-{TRACE}-{PARENT}-00"


@dataclass
class Recorder:
    """A tracer and its finished spans."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    provider: TracerProvider = field(default_factory=lambda: TracerProvider(shutdown_on_exit=False))

    def __post_init__(self) -> None:
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def tracer(self) -> Tracer:
        """A tracer."""
        return self.provider.get_tracer("test")

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """The spans that have ended, in order."""
        return self.exporter.get_finished_spans()

    @property
    def span(self) -> ReadableSpan:
        """The one span that has ended; it has nothing but attributes."""
        (span,) = self.spans
        assert not span.events
        assert not span.links
        assert span.status.description is None
        return span


def attributes_of(span: ReadableSpan) -> Mapping[str, object]:
    """Return a span's attributes."""
    return dict(span.attributes or {})


def failed(span: ReadableSpan) -> bool:
    """Return True for a failed span; it has an `error.type` then."""
    is_error = span.status.status_code is StatusCode.ERROR
    assert is_error is ("error.type" in attributes_of(span))
    return is_error


def parent_of(span: ReadableSpan) -> tuple[str, str] | None:
    """Return trace and span id of a span's parent."""
    parent = span.parent
    return parent and (f"{parent.trace_id:032x}", f"{parent.span_id:016x}")
