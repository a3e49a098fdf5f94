"""Traces of real `gateway serve` processes: its workers, its end, and a missing extra."""

import asyncio
import json
import subprocess
import sys
from collections import Counter

import pytest

from tests import clients, commands
from tests.commands import CRASH, VALID, environment, free_port
from tests.live.fault_server import rooms, serving, silence
from tests.served import NOWHERE, Served, served, token
from tests.traces.collector import collecting
from tests.waiting import eventually

READS = 40
INSTALL = "pip install 'live-room-gateway[otel]'"
WITHOUT = """
import sys
sys.modules["opentelemetry"] = None
from gateway.cli import main
main(["serve"], prog_name="gateway")
"""


def read_and_stop(gateway: Served) -> str:
    """Read on as many connections as there are reads, end the gateway; return what it printed.

    The SDK has something to log about each read.
    """
    headers = {"Authorization": f"Bearer {token('bob')}", "traceparent": "0" * 600}
    for number in range(READS):
        answer = clients.get(f"{gateway.url}/v1/rooms/{number}", headers)
        assert answer.status_code == 200
    return gateway.stop()


def run(upstream_url: str) -> str:
    """Run a gateway of two workers through its life."""
    with served(upstream_url, WORKERS="2") as gateway:
        return read_and_stop(gateway)


async def test_every_worker_exports_its_last_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every worker exports its spans at its end, long before the next export is due."""
    async with collecting() as collector, serving(rooms) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.server.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "rooms")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=live")
        said = await asyncio.to_thread(run, server.url)
    assert Counter(each.kind for each in collector.spans) == {
        "server": READS,
        "internal": READS,
        "client": READS,
    }
    assert {each.resource["service.name"] for each in collector.spans} == {"rooms"}
    assert len({each.resource["service.instance.id"] for each in collector.spans}) == 2
    assert all(b"\r\nx-tenant: live\r\n" in each.raw for each in collector.server.received)
    assert "opentelemetry" not in said


async def test_a_sampler_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own variables choose the sampler."""
    async with collecting() as collector, serving(rooms) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector.endpoint)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
        await asyncio.to_thread(run, server.url)
    assert 0 < len(collector.of("server")) < READS
    assert len(collector.of("client")) == len(collector.of("server"))


@pytest.mark.slow  # for the seconds that the last spans have
@pytest.mark.parametrize("hangs", [True, False])
async def test_a_collector_in_trouble_does_not_keep_it(
    monkeypatch: pytest.MonkeyPatch, *, hangs: bool
) -> None:
    """A gateway ends with 0 despite its collector, and each worker reports that once at most."""
    async with collecting(silence) as collector, serving(rooms) as server:
        endpoint = collector.server.url if hangs else NOWHERE
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
        said = await asyncio.to_thread(run, server.url)
    events = [json.loads(line)["event"] for line in said.splitlines()]
    assert events.count("traces_not_exported") in ({0, 1, 2} if hangs else {1, 2})


def without_the_extra(**environ: str) -> "subprocess.Popen[str]":
    """Start a gateway whose environment has no OpenTelemetry."""
    return subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-c", WITHOUT],
        env=environment(**{**VALID, **environ}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_without_the_extra_it_serves() -> None:
    """A gateway without OpenTelemetry serves if nobody asks for traces."""
    port = free_port()
    with without_the_extra(GATEWAY_PORT=str(port)) as process:
        gateway = Served(process, port)
        try:
            eventually(lambda: gateway.readiness() == (200, "ready"))
            gateway.stop()
        finally:
            process.kill()


@pytest.mark.parametrize(
    "asking",
    [
        {"OTEL_TRACES_EXPORTER": "otlp"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
    ],
)
def test_without_the_extra_traces_are_refused(asking: dict[str, str]) -> None:
    """Traces without OpenTelemetry are refused with the command that installs it."""
    with without_the_extra(GATEWAY_PORT=str(free_port()), **asking) as process:
        said, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    (line,) = [each for each in errors.splitlines() if "OTEL_" in each]
    assert next(iter(asking)) in line
    assert line.endswith(INSTALL)
    assert not CRASH.search(said + errors)


def test_an_exporter_that_is_not_supported_is_refused() -> None:
    """An exporter that is not supported is refused before anything listens."""
    code, output, errors = commands.run(
        "serve", environ={**VALID, "OTEL_TRACES_EXPORTER": "jaeger"}
    )
    assert (code, output) == (2, "")
    assert "OTEL_TRACES_EXPORTER  must be otlp or none" in errors
