"""A rate limit that all processes count together, exactly: each request asks the store.

The store keeps one number for each key, as `gcra` describes, and decides. Its word is adopted in
this process's memory, which decides alone while the store does not answer: whoever had used up the
limit then, still has.
"""

import hashlib
from collections.abc import Callable

from gateway.rooms import Quota
from gateway.shared_store import NOW, Script, SharedStore, StoreUnavailable

from .local_rate_limiter import LocalRateLimiter

# ARGV: ms of one request, ms of the window, requests. Returns the ms until full, before them.
# A number is kept for ten seconds more, in case the store's clock is set back.
_TAKE = Script(
    NOW
    + """
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local after = full + math.min(ARGV[1] * ARGV[3], ARGV[2])
if ARGV[3] ~= '0' and after - now - ARGV[2] <= 1e-6 then
  redis.call('SET', KEYS[1], string.format('%.17g', after), 'PX', math.ceil(after - now) + 10000)
end
return string.format('%.17g', full - now)
"""
)


class SharedRateLimiter:
    """The `RateLimiter` of processes that share `store`, which knows it by `name`.

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
        self._terms = (repr(seconds * 1000 / count).encode(), repr(seconds * 1000).encode())
        self._local = LocalRateLimiter(count, seconds, clock)

    async def take(self, key: str, cost: int = 1) -> Quota:
        """Count a request for `key`, worth `cost`; a refused request is not counted."""
        await self._ask(key, cost)
        return await self._local.take(key, cost)

    async def look(self, key: str) -> Quota:
        """Return the quota of `key` and count nothing."""
        await self._ask(key, 0)
        return await self._local.look(key)

    async def _ask(self, key: str, cost: int) -> None:
        """Have the store count a request, and adopt the state from before it."""
        try:
            before = await self._store.run(_TAKE, [name_of(self._name, key)], *self._terms, cost)
        except StoreUnavailable:
            return
        self._local.adopt(key, float(before) / 1000)


def name_of(limit: str, key: str) -> str:
    """Return the store's name of a bucket: users and addresses are not in it."""
    return f"limit:{limit}:{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}"
