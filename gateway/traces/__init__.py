"""Traces, where the environment asks for them: spans around requests, room lookups and attempts.

- The composition root wraps existing seams in spans. Without traces nothing is wrapped, and
  OpenTelemetry, the extra `otel`, is not even imported. So this package stands above the packages
  with those seams, and not in `telemetry`, below them.
- The standard OTEL_… variables configure it; OpenTelemetry's SDK reads them by itself. Values that
  the SDK would ignore in silence are refused at start: see `requested`.
- A client's W3C context is continued, and never sent to the vendor.
- A span has no token, key, signature, query, header, body or `push_url`. An error is recorded by
  its type: texts may quote input.
- There is no global tracer provider: the tracer is passed in.
"""

from .requested import traces_requested
from .tracing import NO_TRACES, Tracing, tracing_for
