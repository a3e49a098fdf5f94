"""Faults: calls that end without a usable reply.

Fault
├── NotAttempted        No request was sent.
├── NotSent             No connection was made, so nothing can have happened upstream.
├── DeadlineExceeded    The deadline passed before the whole reply was there.
├── DatabaseDown        The upstream answered, but without its database.
└── Broken              The request was sent, and the reply was cut off.
    └── Unreadable      The reply is too large, or in an encoding that nobody asked for.
"""

from typing import ClassVar

from gateway.rooms import (
    OutcomeUnknown,
    UpstreamError,
    UpstreamFailure,
    UpstreamTimeout,
    UpstreamUnavailable,
)


class Fault(Exception):
    """A call without a usable reply; the text is for the log."""

    label: ClassVar[str | None] = "broken"
    """The outcome in the metric of attempts; None is not counted."""

    retryable: ClassVar[bool] = False
    """True if another attempt may go better."""

    trips_breaker: ClassVar[bool | None] = True
    """True for a failure of the upstream, False for a sign of life, None for no evidence."""

    perhaps_local: ClassVar[bool] = False
    """True if one bad room may be the cause, while the upstream serves all others."""

    def as_read_error(self) -> UpstreamFailure:
        """Return the domain's error for a read."""
        return UpstreamError(str(self))

    def as_write_error(self) -> UpstreamFailure:
        """Return the domain's error for a write."""
        return OutcomeUnknown(str(self))


class NotAttempted(Fault):
    """No request was sent; another call may be in `retry_after` seconds."""

    label = None
    trips_breaker = None

    def __init__(self, reason: str, *, retry_after: float) -> None:
        super().__init__(reason)
        self.retry_after = retry_after

    def as_read_error(self) -> UpstreamUnavailable:
        """Return the domain's error."""
        return UpstreamUnavailable(str(self), retry_after=self.retry_after)

    as_write_error = as_read_error


class NotSent(Fault):
    """No connection was made, so nothing can have happened upstream."""

    label = "not_connected"
    retryable = True

    def as_read_error(self) -> UpstreamError:
        """Return the domain's error."""
        return UpstreamError(str(self), sent=False)

    as_write_error = as_read_error


class DeadlineExceeded(Fault):
    """The deadline passed before the whole reply was there."""

    label = "timeout"
    perhaps_local = True

    def as_read_error(self) -> UpstreamTimeout:
        """Return the domain's error for a read."""
        return UpstreamTimeout(str(self))


class DatabaseDown(Fault):
    """The upstream answered, but without its database: the reply means nothing."""

    label = None


class Broken(Fault):
    """The request was sent, and the reply was cut off."""

    retryable = True


class Unreadable(Broken):
    """The reply is too large, or in an encoding that nobody asked for."""

    retryable = False
    trips_breaker = False
