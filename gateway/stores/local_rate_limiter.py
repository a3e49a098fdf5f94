"""A rate limit counted in this process.

The ready-made limiters take three to six microseconds a request and keep every key for ever.
"""

from collections import OrderedDict
from collections.abc import Callable

from gateway.rooms import Bucket, Quota

from .gcra import decide, seen

KEYS = 100_000
"""Users, or addresses, that one limit remembers."""


class Buckets(OrderedDict[str, Bucket]):
    """At most `most` buckets by their key; the one with the oldest request is forgotten.

    This is the one place where a bucket ends, so that nobody who holds it spends from it.
    """

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        super().__init__()
        self._most = most
        self._clock = clock

    def __missing__(self, key: str) -> Bucket:
        bucket = self[key] = Bucket(key, 0.0, self._clock())
        if len(self) > self._most:
            _, forgotten = self.popitem(last=False)
            forgotten.kept = False
        return bucket


class LocalRateLimiter:
    """The `PromptRateLimiter` of one process: `count` requests at once, refilled over `seconds`.

    Beyond `keys` keys the one with the oldest request is forgotten, which fills its bucket.
    `clock` counts seconds and never goes back.
    """

    def __init__(
        self, count: int, seconds: float, clock: Callable[[], float], keys: int = KEYS
    ) -> None:
        self._count = count
        self._interval = seconds / count
        self._seconds = seconds
        self._clock = clock
        self._buckets = Buckets(keys, clock)

    async def take(self, key: str, cost: int = 1) -> Quota:
        """Count a request for `key`, worth `cost`; a refused request is not counted."""
        return self.spend(self._buckets[key], cost)

    def bucket(self, key: str) -> Bucket:
        """Return the bucket of `key`, to spend from for as long as it is `kept`."""
        return self._buckets[key]

    def spend(self, bucket: Bucket, cost: int = 1) -> Quota:
        """Do what `take` does for the bucket's key, without a coroutine and a look-up."""
        self._buckets.move_to_end(bucket.key)
        return decide(bucket, self._clock(), self._count, self._interval, self._seconds, cost)

    async def look(self, key: str) -> Quota:
        """Return the quota of `key` and count nothing."""
        bucket = self._buckets.get(key)
        return seen(bucket, self._clock(), self._count, self._interval, self._seconds)

    def adopt(self, key: str, until_full: float) -> None:
        """Take the word of a shared limiter for the bucket of `key`: seconds until it is full."""
        self._buckets[key].full_at = self._clock() + until_full
        self._buckets.move_to_end(key)
