"""The span of an attempt at a call upstream."""

import asyncio

import httpx
import pytest
from opentelemetry.trace import SpanKind

from gateway.metrics import Metrics
from gateway.traces.attempts import with_span
from gateway.upstream import Call, Reply
from gateway.upstream.counted import with_count
from tests.traces.recording import Recorder, attributes_of, failed

BASE, PATH = "https://live.example.com", "/server/live/1"


def attempt(recorder: Recorder, *outcomes: int | BaseException, base_url: str = BASE) -> None:
    """Make a call with an attempt for each outcome."""
    remaining = list(outcomes)

    async def send(call: Call) -> Reply:
        assert call is made
        outcome = remaining.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return Reply(outcome, httpx.Headers({"X-Echo": "canary"}), b"canary")

    made = Call("GET", PATH, deadline=0, body=b"canary", request_id="canary")
    step = with_count(Metrics().upstream_attempts, with_span(recorder.tracer, base_url, send))

    async def make() -> None:
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                with pytest.raises(type(outcome)):
                    await step(made)
            else:
                assert (await step(made)).status == outcome

    asyncio.run(make())


def test_it_has_what_the_conventions_name() -> None:
    """A span has the conventional attributes, and nothing of the body or the request id."""
    recorder = Recorder()
    attempt(recorder, 200)
    span = recorder.span
    assert (span.name, span.kind) == ("GET", SpanKind.CLIENT)
    assert attributes_of(span) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.full": BASE + PATH,
        "server.address": "live.example.com",
        "server.port": 443,
    }


@pytest.mark.parametrize(
    ("base_url", "port"),
    [("http://127.0.0.1", 80), ("http://127.0.0.1:8081", 8081), ("https://127.0.0.1", 443)],
)
def test_the_port_is_the_scheme_s_or_its_own(base_url: str, port: int) -> None:
    """The port is always an attribute, as the conventions want."""
    recorder = Recorder()
    attempt(recorder, 200, base_url=base_url)
    assert attributes_of(recorder.span)["server.port"] == port


def test_a_second_attempt_is_counted() -> None:
    """The second span has the number of attempts before it, the first span has none."""
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
    """A failed span has the status or the error's type, never the text: it may be the vendor's."""
    recorder = Recorder()
    attempt(recorder, outcome)
    assert failed(recorder.span) is (error is not None)
    assert attributes_of(recorder.span).get("error.type") == error
