"""How a call can end without a usable reply.

Fault
├── NotSent    no connection was made: nothing can have happened upstream
├── Overdue    the deadline passed before the whole reply was there
└── Broken     it was sent, and the reply was cut off, unreadable or too large
"""


class Fault(Exception):
    """A call without a reply; the text is for the log."""


class NotSent(Fault):
    """No connection was made: nothing can have happened upstream."""


class Overdue(Fault):
    """The deadline passed before the whole reply was there."""


class Broken(Fault):
    """It was sent, and the reply was cut off, unreadable or too large."""
