"""The requests in flight, and a bound on their number."""


class InFlight:
    """The requests being worked on; more than `most` are too many.

    It does not count a request that waits for its client, nor a stream after its head.
    """

    __slots__ = ("_most", "_requests", "enter", "leave")

    def __init__(self, most: int) -> None:
        self._most = most
        self._requests: set[object] = set()
        self.enter = self._requests.add
        self.leave = self._requests.discard

    @property
    def count(self) -> int:
        """The number of requests."""
        return len(self._requests)

    @property
    def too_many(self) -> bool:
        """True if there are more than may be."""
        return len(self._requests) > self._most
