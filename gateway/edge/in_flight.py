"""How many requests are in flight, and whether that is too many."""


class InFlight:
    """Counts requests; more than `most` are too many."""

    __slots__ = ("_count", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return self._count

    @property
    def too_many(self) -> bool:
        """Whether there are more than may be, the one that asks included."""
        return self._count > self._most

    def enter(self) -> None:
        """Count a request that is being worked on."""
        self._count += 1

    def leave(self) -> None:
        """Count one less: it has ended, or waits for its client."""
        self._count -= 1
