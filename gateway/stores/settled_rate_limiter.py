"""A rate limit that each process decides at once, and settles with the others soon after.

No request waits for the store. What a process has let through is added to the store's number, and
the process adopts what all have let through.

- Only keys that have used a sixteenth of their limit are settled, until their bucket is full again.
  Others cannot come near it in a fraction of a second.
- They are settled every 250 ms. A key that has since used a sixteenth of what it had left is
  settled at once: so those who ask as fast as they can get hardly more than the limit.
- What was too much is a debt, and is not forgiven: the store's number may be more than a window
  away. Over a longer time the limit holds exactly.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from gateway.rooms import Quota
from gateway.shared_store import NOW, Script, SharedStore, StoreUnavailable

from .local_rate_limiter import LocalRateLimiter
from .shared_rate_limiter import name_of

_PART = 16
_EVERY = 0.25
"""Seconds."""

_AT_ONCE = 500
"""Keys that are settled together."""

_TRACKED = 10_000
"""Keys that may have something to settle; with more the oldest is forgotten."""

# ARGV: ms to add. Returns the ms until full.
_SETTLE = Script(
    NOW
    + """
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + ARGV[1]
if full > now then
  redis.call('SET', KEYS[1], string.format('%.17g', full), 'PX', math.ceil(full - now))
end
return string.format('%.17g', full - now)
"""
)


class SettledRateLimiter:
    """A `RateLimiter` over `store`, which knows it by `name`; run `settle` beside it.

    `count` requests at once, refilled over `seconds`; `clock` is monotonic.
    """

    def __init__(
        self,
        store: SharedStore,
        name: str,
        count: int,
        seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._name = name
        self._seconds = seconds
        self._interval = seconds / count
        self._threshold = seconds / _PART
        self._local = LocalRateLimiter(count, seconds, clock)
        self._unsettled: dict[str, float] = {}  # seconds of use, of each key that is tracked
        self._due: dict[str, None] = {}
        self._wake = asyncio.Event()
        self.look = self._local.look

    @property
    def tracked(self) -> int:
        """The number of keys that are settled."""
        return len(self._unsettled)

    async def take(self, key: str, cost: int = 1) -> Quota:
        """Count a request for `key`, worth `cost`; a refused request is not counted."""
        quota = self._local.spend(key, cost)
        if quota.reset > self._threshold and not quota.retry_after:
            self._note(key, cost, quota.reset)
        return quota

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
                await self._settle(list(self._due)[:_AT_ONCE])
            await self._settle(list(self._unsettled)[:_AT_ONCE])

    def _note(self, key: str, cost: int, until_full: float) -> None:
        """Note what is to be settled: all that is used of a key not tracked before."""
        known = self._unsettled.get(key)
        spent = until_full if known is None else known + min(cost * self._interval, self._seconds)
        self._unsettled[key] = spent
        if len(self._unsettled) > _TRACKED:
            del self._unsettled[next(iter(self._unsettled))]
        if spent * _PART >= self._seconds - until_full:
            self._due[key] = None
            self._wake.set()

    async def _settle(self, keys: Sequence[str]) -> None:
        spent = {key: self._unsettled.pop(key) for key in keys if key in self._unsettled}
        for key in keys:
            self._due.pop(key, None)
        self._unsettled |= dict.fromkeys(spent, 0.0)  # now the last in turn
        asked = (
            self._store.run(_SETTLE, [name_of(self._name, key)], repr(each * 1000).encode())
            for key, each in spent.items()
        )
        told = await asyncio.gather(*asked, return_exceptions=True)
        for (key, each), until_full in zip(spent.items(), told, strict=True):
            if isinstance(until_full, StoreUnavailable):
                self._unsettled[key] = self._unsettled.get(key, 0.0) + each
            elif isinstance(until_full, BaseException):
                raise until_full
            else:
                self._adopt(key, float(until_full) / 1000)

    def _adopt(self, key: str, until_full: float) -> None:
        since = self._unsettled.get(key, 0.0)
        self._local.adopt(key, until_full + since)
        if not until_full and not since:
            self._unsettled.pop(key, None)
