"""A CLIENT span for each attempt at a call to the vendor.

The step stands where an attempt begins that was neither refused by the breaker nor still waits for
a connection, and sees why it failed. It leaves the request as it is: the context goes no further.
Source of names: OpenTelemetry's semantic conventions for HTTP, stable since 1.23.
"""

from collections.abc import Mapping
from types import MappingProxyType

import httpx
from opentelemetry.trace import SpanKind, Tracer

from gateway.upstream import Reply, Send

from .failure import fail

_PORTS = MappingProxyType({"http": 80, "https": 443})
_MADE = "traced_attempts"
_REFUSED = 400


def traced(tracer: Tracer, send: Send) -> Send:
    """Return `send` with a span around it."""

    async def spanned(request: httpx.Request) -> Reply:
        made = request.extensions.get(_MADE, 0)
        request.extensions[_MADE] = made + 1
        with tracer.start_as_current_span(
            request.method,
            kind=SpanKind.CLIENT,
            attributes=_described(request, made),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                reply = await send(request)
            except BaseException as error:
                fail(span, type(error).__name__)
                raise
            span.set_attribute("http.response.status_code", reply.status)
            if reply.status >= _REFUSED:
                fail(span, str(reply.status))
            return reply

    return spanned


def _described(request: httpx.Request, made: int) -> Mapping[str, str | int]:
    url = request.url
    described: dict[str, str | int] = {
        "http.request.method": request.method,
        "url.full": str(url),
        "server.address": url.host,
        "server.port": url.port or _PORTS[url.scheme],
    }
    if made:
        described["http.request.resend_count"] = made
    return described
