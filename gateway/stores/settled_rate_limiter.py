"""A rate limit that each process decides at once, and settles with the others soon after.

No request waits for the store. What a process has let through is added to the store's number, and
the process adopts what all have let through.

- A key is settled when it has used a sixteenth of what it had left. So those who ask as fast as
  they can get hardly more than the limit, and most users cost a call in many requests.
- Keys that all processes together have used much of are settled every 250 ms besides.
- What was too much is a debt, and is not forgiven: the store's number may be more than a window
  away. Over a longer time the limit holds exactly.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from gateway.rooms import Bucket, Quota
from gateway.shared_store import NOW, Script, SharedStore, StoreUnavailable

from .gcra import decide, seen
from .local_rate_limiter import KEYS, Buckets
from .shared_rate_limiter import name_of

_PART = 16
_EVERY = 0.25
"""Seconds."""

_AT_ONCE = 500
"""Keys that are settled together."""

# ARGV: ms used, ms in which, ms to keep the number. Returns the ms until full.
_SETTLE = Script(
    NOW
    + """
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now - ARGV[2]) + ARGV[1]
local kept = math.ceil(math.max(full - now, 0) + ARGV[3])
redis.call('SET', KEYS[1], string.format('%.17g', full), 'PX', kept)
return string.format('%.17g', math.max(full - now, 0))
"""
)


class SettledRateLimiter:
    """A `PromptRateLimiter` over `store`, which knows it by `name`; run `settle` beside it.

    `count` requests at once, refilled over `seconds`; `clock` is monotonic. Beyond `keys` keys the
    one with the oldest request is forgotten.
    """

    def __init__(
        self,
        store: SharedStore,
        name: str,
        count: int,
        seconds: float,
        clock: Callable[[], float],
        keys: int = KEYS,
    ) -> None:
        self._store = store
        self._name = name
        self._count = count
        self._seconds = seconds
        self._interval = seconds / count
        self._clock = clock
        self._buckets = Buckets(keys, clock)
        self._watched: dict[str, None] = {}  # keys of which much is used
        self._due: dict[str, None] = {}
        self._wake = asyncio.Event()

    @property
    def watched(self) -> int:
        """The number of keys that are settled every 250 ms."""
        return len(self._watched)

    async def take(self, key: str, cost: int = 1) -> Quota:
        """Count a request for `key`, worth `cost`; a refused request is not counted."""
        return self.spend(self._buckets[key], cost)

    def bucket(self, key: str) -> Bucket:
        """Return the bucket of `key`, to spend from for as long as it is `kept`."""
        return self._buckets[key]

    def spend(self, bucket: Bucket, cost: int = 1) -> Quota:
        """Do what `take` does for the bucket's key, without a coroutine and a look-up."""
        self._buckets.move_to_end(bucket.key)
        interval, window = self._interval, self._seconds
        quota = decide(bucket, self._clock(), self._count, interval, window, cost)
        if not quota.retry_after:
            bucket.used += interval if cost == 1 else min(cost * interval, window)
            if bucket.used * _PART >= window - quota.reset:
                self._due[bucket.key] = None
                self._wake.set()
        return quota

    async def look(self, key: str) -> Quota:
        """Return the quota of `key` and count nothing."""
        bucket = self._buckets.get(key)
        return seen(bucket, self._clock(), self._count, self._interval, self._seconds)

    async def settle(self) -> None:
        """Settle with the store until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            all_due = loop.time() + _EVERY
            while (left := all_due - loop.time()) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._wake.wait()
                self._wake.clear()
                await self.settle_keys(list(self._due)[:_AT_ONCE])
            await self.settle_keys(list(self._watched)[:_AT_ONCE])

    async def settle_keys(self, keys: Sequence[str]) -> None:
        """Settle these keys once."""
        now = self._clock()
        sent = {key: bucket for key in keys if (bucket := self._buckets.get(key)) is not None}
        used = [self._begin(key, bucket) for key, bucket in sent.items()]
        asked = (
            self._store.run(_SETTLE, [name_of(self._name, key)], *self._terms(spent, since, now))
            for key, (spent, since) in zip(sent, used, strict=True)
        )
        for key in keys:
            self._due.pop(key, None)
        told = await asyncio.gather(*asked, return_exceptions=True)
        for (key, bucket), (spent, since), until_full in zip(sent.items(), used, told, strict=True):
            if isinstance(until_full, StoreUnavailable):
                bucket.used += spent
                bucket.settled_at = since
            elif isinstance(until_full, BaseException):
                raise until_full
            else:
                self._adopt(key, bucket, float(until_full) / 1000)

    def _begin(self, key: str, bucket: Bucket) -> tuple[float, float]:
        """Take what is to be settled, and since when; the key is now the last in turn."""
        self._watched.pop(key, None)
        self._watched[key] = None
        spent, since = bucket.used, bucket.settled_at
        bucket.used, bucket.settled_at = 0.0, self._clock()
        return spent, since

    def _terms(self, spent: float, since: float, now: float) -> tuple[bytes, ...]:
        times = (spent, now - since, self._seconds)
        return tuple(repr(each * 1000).encode() for each in times)

    def _adopt(self, key: str, bucket: Bucket, until_full: float) -> None:
        bucket.full_at = self._clock() + until_full + bucket.used
        if (until_full + bucket.used) * _PART <= self._seconds:
            self._watched.pop(key, None)
