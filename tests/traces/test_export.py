"""The export of spans, and the log of its failures."""

import asyncio
import io
import json
import logging
import logging.handlers
import time
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from gateway.telemetry import build_logger
from gateway.traces.export import exporting
from gateway.traces.reports import Reports, silence_libraries


class Slow(SpanProcessor):
    """A processor that is slow to shut down."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.ended = False

    def shutdown(self) -> None:
        """End."""
        time.sleep(self._seconds)
        self.ended = True


def lived(processor: SpanProcessor, log: io.BytesIO, work: Callable[[], None]) -> list[str]:
    """Run an application from startup to shutdown, with some work between; return its messages."""
    said: list[str] = []

    async def app(_: object, __: object, send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})
        work()
        await send({"type": "lifespan.shutdown.complete"})

    async def hear(message: Any) -> None:
        said.append(message["type"])

    async def nothing() -> Any:
        return {}

    async def live() -> None:
        provider = TracerProvider(shutdown_on_exit=False)
        reports = Reports(build_logger("debug", "json", log), time.monotonic)
        scope: Any = {"type": "lifespan"}
        await exporting(app, provider, lambda: processor, reports)(scope, nothing, hear)

    asyncio.run(live())
    return said


def test_the_last_spans_are_waited_for() -> None:
    """The last spans are exported before the application reports its shutdown."""
    processor = Slow(0.05)
    said = lived(processor, io.BytesIO(), lambda: None)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert processor.ended


@pytest.mark.slow  # for the seconds that the last spans have
def test_but_not_for_ever() -> None:
    """The wait for the last spans ends after two seconds."""
    processor, began = Slow(4), time.monotonic()
    assert lived(processor, io.BytesIO(), lambda: None)[-1] == "lifespan.shutdown.complete"
    assert time.monotonic() - began > 1.9
    assert not processor.ended


def test_what_goes_wrong_is_said_once() -> None:
    """A failed export is logged once, and only while the application runs."""
    exporter = logging.getLogger("opentelemetry.exporter.otlp.test")
    log = io.BytesIO()

    def work() -> None:
        for _ in range(100):
            exporter.error("Failed, reason: %s", ConnectionError("canary"))

    lived(Slow(0), log, work)
    exporter.error("nobody listens")
    (line,) = log.getvalue().splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"]) == ("traces_not_exported", "warning")
    assert told["reason"] == "Failed, reason: ConnectionError"


def test_it_is_said_again_after_a_minute() -> None:
    """A failure that lasts is logged again after a minute."""
    log, now = io.BytesIO(), [0.0]
    reports = Reports(build_logger("debug", "json", log), lambda: now[0])
    for now[0] in (0.0, 59.0, 60.0, 61.0, 121.0):
        reports.handle(logging.LogRecord("a", logging.WARNING, "", 0, "Queue full", None, None))
    assert len(log.getvalue().splitlines()) == 3


@pytest.mark.parametrize("name", ["opentelemetry.trace", "opentelemetry.context"])
def test_what_a_client_can_cause_is_not_said(name: str) -> None:
    """Warnings that a client can cause are not logged: any client could fill the log."""
    log = io.BytesIO()
    lived(Slow(0), log, lambda: logging.getLogger(name).error("of a client"))
    assert log.getvalue() == b""


def test_what_libraries_log_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    """Libraries' logs reach neither the root logger's handlers nor standard error."""
    seen = logging.handlers.BufferingHandler(10)
    logging.root.addHandler(seen)
    try:
        silence_libraries()
        for name in ("opentelemetry.sdk.trace", "opentelemetry", "urllib3.connection"):
            logging.getLogger(name).error("canary")
        assert seen.buffer == []
    finally:
        logging.root.removeHandler(seen)
    assert capfd.readouterr() == ("", "")
