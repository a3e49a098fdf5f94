"""Tracing off wraps nothing; tracing on follows the SDK's variables."""

import asyncio
import io
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import get_tracer_provider

from gateway import __version__, app
from gateway.metrics import Metrics
from gateway.telemetry import build_logger
from gateway.traces import NO_TRACES, tracing_for
from gateway.traces.sdk import open_telemetry, resource
from tests.commands import environment
from tests.live.gateways import settings_for

LOG = build_logger("debug", "json", io.BytesIO())
ASKED = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}

IMPORTS = """
import sys
import gateway.app, gateway.cli
print(*sorted(name for name in sys.modules if name.split(".")[0] in ("opentelemetry", "requests")))
"""


def test_off_leaves_everything_as_it_is() -> None:
    """Without traces each seam is the same object as before."""
    thing: Any = object()
    assert tracing_for({}) is NO_TRACES
    wrapped: list[Any] = [
        NO_TRACES.application(thing, LOG),
        NO_TRACES.room_cache(thing),
        NO_TRACES.lookups(thing),
        NO_TRACES.attempts("http://upstream.invalid", thing),
    ]
    assert [each is thing for each in wrapped] == [True] * 4
    assert NO_TRACES.processors == ()
    assert NO_TRACES.trace_id() is None


def test_a_gateway_without_traces_begins_with_its_front() -> None:
    """Without traces the application's outermost layer is the front."""
    settings = settings_for("http://127.0.0.1:9")
    telemetry = app.telemetry_to(io.BytesIO(), settings)
    assert type(app.build(settings, telemetry, Metrics())).__name__ == "Front"


def test_off_does_not_even_import_it() -> None:
    """Without traces neither OpenTelemetry nor its HTTP client is imported."""
    done = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", IMPORTS], env=environment(), capture_output=True, check=True
    )
    assert done.stdout.strip() == b""


def test_nothing_is_made_the_process_s_own() -> None:
    """Another library in the process does not find our provider."""
    before = get_tracer_provider()
    tracing_for(ASKED)
    assert get_tracer_provider() is before


def test_spans_say_what_they_are_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resource has the project's name and version, unless the environment has others."""
    given = resource().attributes
    assert (given["service.name"], given["service.version"]) == ("live-room-gateway", __version__)
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,deployment.environment.name=b")
    given = resource().attributes
    assert (given["service.name"], given["deployment.environment.name"]) == ("a", "b")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "c")
    assert resource().attributes["service.name"] == "c"


@pytest.mark.parametrize(
    ("propagators", "continued"),
    [
        (None, True),
        ("", True),
        ("baggage, tracecontext", True),
        ("none", False),
        ("b3", False),
    ],
)
def test_clients_traces_go_on_unless_told_otherwise(
    propagators: str | None, *, continued: bool
) -> None:
    """`OTEL_PROPAGATORS` without `tracecontext` keeps clients' contexts out."""
    environ = {} if propagators is None else {"OTEL_PROPAGATORS": propagators}
    seen: list[str | None] = []
    tracing = tracing_for({**ASKED, **environ})

    async def answer(*_: object) -> Any:
        seen.append(tracing.trace_id())

    scope: Any = {
        "type": "http",
        "method": "GET",
        "path": "/docs",
        "scheme": "http",
        "http_version": "1.1",
        "headers": [(b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")],
    }

    async def ask() -> None:
        await tracing.application(answer, LOG)(scope, answer, answer)

    asyncio.run(ask())
    assert (seen == ["a" * 32]) is continued


def test_events_are_told_which_trace_they_belong_to() -> None:
    """Log events in a span have its trace id, others have none."""
    exporter, written = InMemorySpanExporter(), io.BytesIO()
    provider = TracerProvider(shutdown_on_exit=False)
    tracing = open_telemetry(provider, lambda: SimpleSpanProcessor(exporter))
    log = build_logger("debug", "json", written, *tracing.processors)
    log.info("before")
    with provider.get_tracer("test").start_as_current_span("a") as span:
        log.info("within")
    trace_id = f"{span.get_span_context().trace_id:032x}"
    before, within = written.getvalue().splitlines()
    assert b"trace_id" not in before
    assert f'"trace_id":"{trace_id}"'.encode() in within
