"""An OTLP/HTTP collector on a real socket, and spans as it decodes them.

None of the gateway's spans has events or a status message: the texts of errors would go there.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from msgspec import Struct
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from gateway.traces import Tracing
from gateway.traces.sdk import open_telemetry, resource
from tests.live.fault_server import Exchange, Script, Server, reply, serving

Value = str | int | float | bool


class Span(Struct, frozen=True):
    """A span as exported; `kind` is lower case, ids are hexadecimal, `parent_id` may be empty."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    failed: bool
    attributes: Mapping[str, Value]
    resource: Mapping[str, Value]


@dataclass
class Collector:
    """The spans that a collector has received."""

    server: Server
    spans: list[Span] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        """The URL that spans are sent to."""
        return f"{self.server.url}/v1/traces"

    def of(self, kind: str) -> list[Span]:
        """Return the spans of a kind, in the order in which they came."""
        return [each for each in self.spans if each.kind == kind]


@asynccontextmanager
async def collecting(script: Script | None = None) -> AsyncIterator[Collector]:
    """Run a collector; another `script` than its own answers in its place."""

    async def collect(exchange: Exchange) -> None:
        assert exchange.method == "POST"
        assert exchange.target == "/v1/traces"
        head, _, body = exchange.raw.partition(b"\r\n\r\n")
        assert b"content-type: application/x-protobuf" in head.lower()
        collector.spans += decoded(body)
        await exchange.write(reply(b"", headers="Content-Type: application/x-protobuf"))

    async with serving(script or collect) as server:
        collector = Collector(server)
        yield collector


def decoded(body: bytes) -> list[Span]:
    """Return the spans in the body of an export."""
    request = ExportTraceServiceRequest.FromString(body)
    return [
        _span(span, _values(each.resource.attributes))
        for each in request.resource_spans
        for scope in each.scope_spans
        for span in scope.spans
    ]


def exporting_to(endpoint: str, queue: int = 2048, *, timeout: float = 3) -> Tracing:
    """Return the gateway's own tracing, to this endpoint at once; `queue` spans may wait."""

    def begin() -> BatchSpanProcessor:
        exporter = OTLPSpanExporter(endpoint, timeout=timeout)
        return BatchSpanProcessor(
            exporter, queue, schedule_delay_millis=20, max_export_batch_size=min(queue, 512)
        )

    return open_telemetry(TracerProvider(resource=resource(), shutdown_on_exit=False), begin)


def _span(span: trace_pb2.Span, of: Mapping[str, Value]) -> Span:
    assert not span.events
    assert not span.status.message
    return Span(
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        attributes=_values(span.attributes),
        resource=of,
    )


def _values(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    return {each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in pairs}
