"""How a call can end without a usable reply.

Fault
├── NotAttempted        it was not tried
├── NotSent        no connection was made: nothing can have happened upstream
├── DeadlineExceeded        the time limit passed before the whole reply was there
└── Broken         it was sent, and the reply was cut off
    └── Unreadable the reply came, too large or in an encoding that nobody asked for
"""


class Fault(Exception):
    """A call without a reply; the text is for the log."""


class NotAttempted(Fault):
    """It was not tried; another call may be in `retry_after` seconds."""

    def __init__(self, reason: str, *, retry_after: float) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class NotSent(Fault):
    """No connection was made: nothing can have happened upstream."""


class DeadlineExceeded(Fault):
    """The time limit passed before the whole reply was there."""


class Broken(Fault):
    """It was sent, and the reply was cut off."""


class Unreadable(Broken):
    """The reply came, too large or in an encoding that nobody asked for."""
