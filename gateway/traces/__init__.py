"""Traces, where the environment asks for them: spans around requests, room lookups and attempts.

- Everything is put around seams that are there anyway, by the composition root. Without traces it
  puts nothing: what would have been wrapped is the same object, and OpenTelemetry, which is the
  extra `otel`, is not even imported. So this package stands above those whose seams it knows, and
  not in `telemetry`, which all of them may use.
- The standard OTEL_… variables configure it, which OpenTelemetry's SDK reads by itself. What it
  would pass over in silence is refused at start: see `wanted`.
- A client's W3C context is continued, and never sent to the vendor.
- A span has no token, key, signature, query, header, body or `push_url`. An error is told by its
  type: texts may quote what others have sent.
- No provider is made the process's own: what is traced gets its tracer handed in.
"""

from .requested import traces_requested
from .tracing import NO_TRACES, Tracing, tracing_for

__all__ = ["NO_TRACES", "Tracing", "traces_requested", "tracing_for"]
