"""The span of a request."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import SpanKind, get_current_span

from gateway.traces.requests import with_request_spans
from tests.traces.recording import (
    NOT_SAMPLED,
    PARENT,
    TRACE,
    TRACEPARENT,
    Recorder,
    attributes_of,
    failed,
    parent_of,
)

Headers = list[tuple[bytes, bytes]]

HOST = (b"host", b"live.example.com")


async def nothing(*_: object) -> Any:
    """Receive nothing, and ignore everything sent."""


def ask(
    recorder: Recorder,
    path: str = "/v1/rooms/1",
    *,
    method: str = "GET",
    headers: Headers | None = None,
    status: int = 200,
    route: str | None = "/v1/rooms/{live_id}",
    error: Exception | None = None,
    continued: bool = True,
) -> None:
    """Serve a request with a scripted application."""

    async def app(scope: Any, _: object, send: Any) -> None:
        scope["method"] = "GET"  # as the outer layer does for HEAD
        if route is not None:
            scope["path_template"] = route
        if status:
            answer_headers = [(b"x-request-id", b"r-1"), (b"etag", b'"canary"')]
            start = {"type": "http.response.start", "status": status, "headers": answer_headers}
            await send(start)
            await send({"type": "http.response.body", "body": b"canary"})
        if error is not None:
            raise error

    scope: Any = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"token=canary",
        "scheme": "http",
        "http_version": "1.1",
        "client": ("192.0.2.7", "1"),
        "headers": [HOST] if headers is None else headers,
    }
    spans = with_request_spans(app, recorder.tracer, continued=continued)

    async def serve() -> None:
        await spans(scope, nothing, nothing)

    asyncio.run(serve())


def test_it_has_what_the_conventions_name() -> None:
    """A span has the conventional attributes and the request id; no query, header or address."""
    recorder = Recorder()
    agent = (b"user-agent", b"app/1.0")
    ask(recorder, headers=[(b"host", b"live.example.com:8443"), agent, (b"cookie", b"canary")])
    span = recorder.span
    assert (span.name, span.kind) == ("GET /v1/rooms/{live_id}", SpanKind.SERVER)
    assert attributes_of(span) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/v1/rooms/{live_id}",
        "url.path": "/v1/rooms/1",
        "url.scheme": "http",
        "server.address": "live.example.com",
        "server.port": 8443,
        "network.protocol.version": "1.1",
        "user_agent.original": "app/1.0",
        "gateway.request_id": "r-1",
    }
    assert not failed(span)


@pytest.mark.parametrize(
    ("method", "named", "told"),
    [("HEAD", "HEAD", "HEAD"), ("DELETE", "DELETE", "DELETE"), ("BREW", "HTTP", "_OTHER")],
)
def test_methods(method: str, named: str, told: str) -> None:
    """The method is the client's, HEAD included; an unknown one is `_OTHER`."""
    recorder = Recorder()
    ask(recorder, method=method)
    assert recorder.span.name == f"{named} /v1/rooms/{{live_id}}"
    assert attributes_of(recorder.span)["http.request.method"] == told


def test_a_request_without_a_route_is_named_by_its_method() -> None:
    """A request without a route is named by its method: anyone can make up paths."""
    recorder = Recorder()
    ask(recorder, "/nowhere", route=None, status=404)
    assert recorder.span.name == "GET"
    assert "http.route" not in attributes_of(recorder.span)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_checks_leave_no_span(path: str) -> None:
    """A health check has no span: it comes every second, and metrics show it better."""
    recorder = Recorder()
    ask(recorder, path)
    assert recorder.spans == ()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/rooms", "/v1/rooms"),
        ("/v1/rooms/a-B_9/stop", "/v1/rooms/a-B_9/stop"),
        ("/docs/swagger-ui.css", "/docs/swagger-ui.css"),
        ("/v1/rooms/" + "a" * 64, "/v1/rooms/" + "a" * 64),
        ("/v1/rooms/" + "a" * 65, "/REDACTED"),
        ("/v1/rooms/rtmp://a/b?c", "/REDACTED"),
        ("/v1/rooms/canary=", "/REDACTED"),
        ("/a/b/c/d/e", "/REDACTED"),
        ("/v1/rooms/1\n", "/REDACTED"),
    ],
)
def test_a_path_that_is_none_of_ours_is_not_repeated(path: str, told: str) -> None:
    """An unusual path is not repeated: it may hold a token or a push URL by mistake."""
    recorder = Recorder()
    ask(recorder, path)
    assert attributes_of(recorder.span)["url.path"] == told


@pytest.mark.parametrize(
    ("host", "address", "port"),
    [
        (b"live.example.com", "live.example.com", None),
        (b"127.0.0.1:80", "127.0.0.1", 80),
        (b"[::1]:8080", "::1", 8080),
        (b"a b", None, None),
        (b"live.example.com:999999", None, None),
        (b"user:canary@host", None, None),
        (b"", None, None),
    ],
)
def test_the_server_goes_by_the_name_it_was_called(
    host: bytes, address: str | None, port: int | None
) -> None:
    """The server's address is the Host header's, if that is a host name."""
    recorder = Recorder()
    ask(recorder, headers=[(b"host", host)])
    told = attributes_of(recorder.span)
    assert (told.get("server.address"), told.get("server.port")) == (address, port)


def test_a_user_agent_is_cut() -> None:
    """A long user agent is cut."""
    recorder = Recorder()
    ask(recorder, headers=[HOST, (b"user-agent", b"\xe9" + b"a" * 4_000)])
    assert attributes_of(recorder.span)["user_agent.original"] == "é" + "a" * 255


@pytest.mark.parametrize(
    ("status", "error"), [(404, None), (499, None), (500, "500"), (504, "504")]
)
def test_failed_is_what_we_are_to_blame_for(status: int, error: str | None) -> None:
    """A status from 500 on is a failure; a client's mistake is none."""
    recorder = Recorder()
    ask(recorder, status=status)
    assert failed(recorder.span) is (error is not None)
    assert attributes_of(recorder.span).get("error.type") == error


def test_an_error_is_told_by_its_type() -> None:
    """An error is recorded by its type: its text and traceback may hold anything."""
    recorder = Recorder()
    with pytest.raises(ZeroDivisionError):
        ask(recorder, error=ZeroDivisionError("canary"))
    assert failed(recorder.span)
    assert attributes_of(recorder.span)["error.type"] == "ZeroDivisionError"


def test_a_client_that_left_has_no_status() -> None:
    """The span of a client that left has no status and is not failed."""
    recorder = Recorder()
    ask(recorder, status=0)
    assert "http.response.status_code" not in attributes_of(recorder.span)
    assert not failed(recorder.span)


def test_a_client_s_trace_goes_on() -> None:
    """A client's trace goes on, with the state of its vendors from two headers."""
    recorder = Recorder()
    states = [(b"tracestate", b"a=1"), (b"tracestate", b"b=2")]
    ask(recorder, headers=[HOST, (b"traceparent", TRACEPARENT.encode()), *states])
    assert parent_of(recorder.span) == (TRACE, PARENT)
    assert recorder.span.context.trace_state.to_header() == "a=1,b=2"


def test_a_client_s_trace_does_not_go_on_where_that_is_not_wanted() -> None:
    """A trace of our own begins if clients' traces are not continued."""
    recorder = Recorder()
    ask(recorder, headers=[(b"traceparent", TRACEPARENT.encode())], continued=False)
    assert parent_of(recorder.span) is None
    assert recorder.span.context.trace_id != int(TRACE, 16)


def test_what_a_client_does_not_sample_leaves_no_span() -> None:
    """A request that the client does not sample has no span, and a context not sampled either."""
    recorder = Recorder()
    ask(recorder, headers=[(b"traceparent", NOT_SAMPLED.encode())])
    assert recorder.spans == ()


LONG = b",".join(b"key%d=%b" % (number, b"v" * 20) for number in range(20))


@pytest.mark.parametrize("tracestate", [LONG, b" " * 8_000 + b"a=1"])
def test_a_long_state_is_passed_over(tracestate: bytes) -> None:
    """A `tracestate` over 512 characters is ignored; the client's trace goes on without it."""
    recorder = Recorder()
    ask(recorder, headers=[(b"traceparent", TRACEPARENT.encode()), (b"tracestate", tracestate)])
    assert parent_of(recorder.span) == (TRACE, PARENT)
    assert not recorder.span.context.trace_state


BAD = [
    b"",
    b"canary",
    f"ff-{TRACE}-{PARENT}-01".encode(),
    f"00-{'0' * 32}-{PARENT}-01".encode(),
    f"00-{TRACE}-{'0' * 16}-01".encode(),
    f"00-{TRACE.upper()}-{PARENT}-01".encode(),
    f"00-{TRACE}-{PARENT}-01-more".encode(),
    f"00-{TRACE}-{PARENT}".encode(),
    TRACEPARENT.encode() * 100,
    b"\xff" * 55,
]


@pytest.mark.parametrize("traceparent", BAD)
def test_a_traceparent_that_is_not_valid_is_passed_over(traceparent: bytes) -> None:
    """A `traceparent` that W3C calls invalid is ignored."""
    recorder = Recorder()
    ask(recorder, headers=[(b"traceparent", traceparent), (b"tracestate", b"a=1")])
    assert parent_of(recorder.span) is None
    assert not recorder.span.context.trace_state


def test_a_traceparent_that_stands_twice_is_passed_over() -> None:
    """A repeated `traceparent` is ignored: it is ambiguous."""
    recorder = Recorder()
    ask(recorder, headers=[(b"traceparent", TRACEPARENT.encode())] * 2)
    assert parent_of(recorder.span) is None


@given(traceparent=st.binary(max_size=600), tracestate=st.binary(max_size=600))
def test_no_header_fails_a_request(traceparent: bytes, tracestate: bytes) -> None:
    """No value of a header makes a request fail."""
    recorder = Recorder()
    for valid in (traceparent, TRACEPARENT.encode()):
        ask(recorder, headers=[(b"traceparent", valid), (b"tracestate", tracestate)])
    assert parent_of(recorder.spans[1]) == (TRACE, PARENT)


def test_requests_at_the_same_time_have_spans_of_their_own() -> None:
    """Each of two simultaneous requests has its own current span, and none is left afterwards."""
    recorder = Recorder()
    seen: list[tuple[int, int]] = []

    async def app(*_: object) -> None:
        before = get_current_span().get_span_context().span_id
        await asyncio.sleep(0)
        seen.append((before, get_current_span().get_span_context().span_id))

    async def both() -> int:
        spans = with_request_spans(app, recorder.tracer, continued=True)
        scopes: list[Any] = [
            {
                "type": "http",
                "method": "GET",
                "path": "/docs",
                "scheme": "http",
                "http_version": "1.1",
                "headers": [],
            }
            for _ in range(2)
        ]
        await asyncio.gather(*(spans(scope, nothing, nothing) for scope in scopes))
        return get_current_span().get_span_context().span_id

    assert asyncio.run(both()) == 0
    assert [before == after for before, after in seen] == [True, True]
    assert {each for each, _ in seen} == {span.context.span_id for span in recorder.spans}
