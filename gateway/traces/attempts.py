"""A CLIENT span for each attempt at a call to the vendor.

The step stands after the breaker and the connection limiter, and sees why an attempt failed. The
context of the trace is not sent to the vendor.
Source of names: OpenTelemetry's semantic conventions for HTTP, stable since 1.23.
"""

from types import MappingProxyType
from urllib.parse import urlsplit

from opentelemetry.trace import SpanKind, Tracer

from gateway.upstream import Call, Reply, Send

from .failure import fail

_PORTS = MappingProxyType({"http": 80, "https": 443})
_REFUSED = 400


def with_span(tracer: Tracer, base_url: str, send: Send) -> Send:
    """Return `send` with a span around each attempt; `base_url` has no path."""
    base = urlsplit(base_url)
    server: dict[str, str | int] = {
        "server.address": base.hostname or "",
        "server.port": base.port or _PORTS[base.scheme],
    }

    async def spanned(call: Call) -> Reply:
        attributes = {
            "http.request.method": call.method,
            "url.full": f"{base_url}{call.path.partition('?')[0]}",  # a query may name a user
            **server,
        }
        if call.attempts > 1:
            attributes["http.request.resend_count"] = call.attempts - 1
        with tracer.start_as_current_span(
            call.method,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                reply = await send(call)
            except BaseException as error:
                fail(span, type(error).__name__)
                raise
            span.set_attribute("http.response.status_code", reply.status)
            if reply.status >= _REFUSED:
                fail(span, str(reply.status))
            return reply

    return spanned
