"""A clock that stands still until a test moves it."""


class Clock:
    """Seconds that pass by hand."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now
