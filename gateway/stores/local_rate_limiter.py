"""A rate limit counted in this process.

The ready-made limiters take three to six microseconds a request and keep every key for ever.
"""

from collections import OrderedDict
from collections.abc import Callable

from gateway.rooms import Quota

from .gcra import decide

KEYS = 100_000
"""Users, or addresses, that one limit remembers."""


class LocalRateLimiter:
    """The `RateLimiter` of one process: `count` requests at once, refilled over `seconds`.

    Beyond `keys` keys the one with the oldest request is forgotten, which fills its bucket.
    `clock` counts seconds and never goes back.
    """

    def __init__(
        self, count: int, seconds: float, clock: Callable[[], float], keys: int = KEYS
    ) -> None:
        self._count = count
        self._seconds = seconds
        self._interval = seconds / count
        self._clock = clock
        self._keys = keys
        self._full_at: OrderedDict[str, float] = OrderedDict()

    async def take(self, key: str, cost: int = 1) -> Quota:
        """Count a request for `key`, worth `cost`; a refused request is not counted."""
        return self.spend(key, cost)

    def spend(self, key: str, cost: int = 1) -> Quota:
        """Do what `take` does, without a coroutine."""
        full_at = self._full_at
        before = full_at.pop(key, 0.0)
        decision = decide(before, self._clock(), self._interval, self._seconds, cost)
        full_at[key] = decision.full_at
        if len(full_at) > self._keys:
            full_at.popitem(last=False)
        return Quota(self._count, decision.remaining, decision.until_full, decision.retry_after)

    async def look(self, key: str) -> Quota:
        """Return the quota of `key` and count nothing."""
        now, full_at = self._clock(), self._full_at.get(key, 0.0)
        decision = decide(full_at, now, self._interval, self._seconds)
        remaining = 0 if decision.retry_after else decision.remaining + 1
        return Quota(self._count, remaining, max(full_at - now, 0.0), decision.retry_after)

    def adopt(self, key: str, until_full: float) -> None:
        """Take the word of a shared limiter for the bucket of `key`: seconds until it is full."""
        self._full_at.pop(key, None)
        self._full_at[key] = self._clock() + until_full
