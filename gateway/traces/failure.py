"""Failed spans."""

from opentelemetry.trace import Span, StatusCode


def fail(span: Span, kind: str) -> None:
    """Mark a span as failed; `kind` is one of few words, such as an exception's type."""
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)
