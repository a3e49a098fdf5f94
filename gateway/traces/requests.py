"""A SERVER span for each request. Health checks have none: they come every second.

- Its name is method and route, `GET /v1/rooms/{live_id}`, or the method alone.
- A valid `traceparent` makes it part of the client's trace; an invalid or repeated one is ignored,
  and so is a long `tracestate`.
  `OTEL_PROPAGATORS` without `tracecontext` always starts a new trace.
- A path with unusual characters is `/REDACTED`: clients put tokens there. The client's address is
  personal data and is left out.
- A span without a status belongs to a client that left before its response.

Source of names: OpenTelemetry's semantic conventions for HTTP, stable since 1.23.
"""

import re
from collections.abc import Iterable, Mapping
from http import HTTPMethod

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Tracer, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.edge import PROBES

from .failure import fail

_METHODS = frozenset(HTTPMethod)
_PATH = re.compile(r"(/[A-Za-z0-9_.-]{0,64}){1,4}")
_HOST = re.compile(rb"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?")
_AGENT = 256
_LONGEST = 512
"""Characters of a `traceparent`, and of all `tracestate` together: as many as W3C asks for."""
_W3C = TraceContextTextMapPropagator()
_ERRORS = 500


def with_request_spans(app: ASGIApp, tracer: Tracer, *, continued: bool) -> ASGIApp:
    """Return `app` with a span around each request; clients' traces are `continued` or not."""

    async def spanned(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["path"] in PROBES:
            await app(scope, receive, send)
            return
        name = scope["method"] if scope["method"] in _METHODS else "HTTP"
        parent = parent_in(scope["headers"]) if continued else Context()
        span = tracer.start_span(name, parent, SpanKind.SERVER)
        with use_span(
            span, end_on_exit=True, record_exception=False, set_status_on_exception=False
        ):
            if span.is_recording():
                span.set_attributes(_described(scope))  # no sampler in use reads attributes
                await _recorded(app, span, name, scope, receive, send)
            else:
                await app(scope, receive, send)

    return spanned


async def _recorded(
    app: ASGIApp, span: Span, name: str, scope: HTTPScope, receive: Receive, send: Send
) -> None:
    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            _note(span, message["status"], message["headers"])
        await send(message)

    try:
        await app(scope, receive, noting)
    except Exception as error:
        fail(span, type(error).__name__)
        raise
    finally:
        route = scope.get("path_template")
        if route:
            span.update_name(f"{name} {route}")
            span.set_attribute("http.route", route)


def parent_in(headers: Iterable[tuple[bytes, bytes]]) -> Context:
    """Return the W3C context in raw headers; an empty one without a valid `traceparent`."""
    given: dict[bytes, list[bytes]] = {b"traceparent": [], b"tracestate": []}
    for name, value in headers:
        if name in given:
            given[name].append(value)
    parents, states = given[b"traceparent"], b",".join(given[b"tracestate"])
    if len(parents) != 1 or len(parents[0]) > _LONGEST:
        return Context()
    carrier = {"traceparent": parents[0].decode("latin-1")}
    if states and len(states) <= _LONGEST:
        carrier["tracestate"] = states.decode("latin-1")
    return _W3C.extract(carrier, Context())


def _described(scope: HTTPScope) -> Mapping[str, str | int]:
    headers, method, path = dict(scope["headers"]), scope["method"], scope["path"]
    described: dict[str, str | int] = {
        "http.request.method": method if method in _METHODS else "_OTHER",
        "url.path": path if _PATH.fullmatch(path) else "/REDACTED",
        "url.scheme": scope["scheme"],
        "network.protocol.version": scope["http_version"],
    }
    host = _HOST.fullmatch(headers.get(b"host", b""))
    if host:
        described["server.address"] = host[1].strip(b"[]").decode()
        if host[2]:
            described["server.port"] = int(host[2])
    agent = headers.get(b"user-agent")
    if agent:
        described["user_agent.original"] = agent[:_AGENT].decode("latin-1")
    return described


def _note(span: Span, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
    span.set_attribute("http.response.status_code", status)
    for name, value in headers:
        if name == b"x-request-id":
            span.set_attribute("gateway.request_id", value.decode("latin-1"))
    if status >= _ERRORS:
        fail(span, str(status))
