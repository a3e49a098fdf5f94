"""The span of an attempt at a call upstream."""

import asyncio
from collections.abc import Sequence
from typing import cast

import httpx
import pytest
from opentelemetry.trace import SpanKind

from gateway.traces.attempts import traced
from gateway.upstream import Reply
from tests.traces.recording import Recorder, attributes_of, failed

URL = "https://live.example.com/server/live/1"


def attempt(
    recorder: Recorder, *outcomes: int | BaseException, url: str = URL
) -> Sequence[httpx.Request]:
    """Make an attempt for each outcome, with one request; return what was sent."""
    sent: list[httpx.Request] = []

    async def send(request: httpx.Request) -> Reply:
        sent.append(request)
        outcome = outcomes[len(sent) - 1]
        if isinstance(outcome, BaseException):
            raise outcome
        return Reply(outcome, httpx.Headers({"X-Echo": "canary"}), b"canary")

    async def make() -> None:
        request = httpx.Request("GET", url, headers={"Authorization": "Qiniu canary:canary"})
        step = traced(recorder.tracer, send)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                with pytest.raises(type(outcome)):
                    await step(request)
            else:
                assert (await step(request)).status == outcome

    asyncio.run(make())
    return sent


def test_it_has_what_the_conventions_name() -> None:
    """But nothing of the headers, where keys are."""
    recorder = Recorder()
    attempt(recorder, 200)
    span = recorder.span
    assert (span.name, span.kind) == ("GET", SpanKind.CLIENT)
    assert attributes_of(span) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.full": URL,
        "server.address": "live.example.com",
        "server.port": 443,
    }


@pytest.mark.parametrize(
    ("url", "port"),
    [("http://127.0.0.1/server/live", 80), ("http://127.0.0.1:8081/server/live", 8081)],
)
def test_the_port_is_the_scheme_s_or_its_own(url: str, port: int) -> None:
    """The conventions want it said."""
    recorder = Recorder()
    attempt(recorder, 200, url=url)
    assert attributes_of(recorder.span)["server.port"] == port


def test_a_second_attempt_is_counted() -> None:
    """The first has no count."""
    recorder = Recorder()
    attempt(recorder, 503, 200)
    counts = [attributes_of(span).get("http.request.resend_count") for span in recorder.spans]
    assert counts == [None, 1]


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (200, None),
        (399, None),
        (404, "404"),
        (503, "503"),
        (ConnectionError("canary"), "ConnectionError"),
        (asyncio.CancelledError("canary"), "CancelledError"),
    ],
)
def test_failures_go_by_status_or_type(outcome: int | BaseException, error: str | None) -> None:
    """Never by their text, which may be the vendor's."""
    recorder = Recorder()
    attempt(recorder, outcome)
    assert failed(recorder.span) is (error is not None)
    assert attributes_of(recorder.span).get("error.type") == error


def test_the_request_goes_on_as_it_was() -> None:
    """The context of the trace is not the vendor's business."""
    recorder = Recorder()
    with recorder.tracer.start_as_current_span("request"):
        (sent,) = attempt(recorder, 200)
    assert cast("dict[str, str]", dict(sent.headers)) == {
        "host": "live.example.com",
        "authorization": "Qiniu canary:canary",
    }
