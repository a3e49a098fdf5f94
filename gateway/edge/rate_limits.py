"""How often a caller may ask: reads and writes by user, failed sign-ins by client address.

- A limit is a bucket: `count` requests at once, refilled evenly over `seconds`. That needs one
  number for each key, the moment at which its bucket will be full again (GCRA, the generic cell
  rate algorithm), and takes a microsecond; the ready-made limiters take three to six and keep what
  they are told for ever.
- Keys are bounded: beyond that, the one that has been quiet longest is forgotten, which gives it a
  full bucket again.
- A failed sign-in counts once it has failed. An address that has used up its failures gets 429 for
  any further one, but a good token still passes: many users can share an address.
"""

from collections import OrderedDict
from collections.abc import Callable
from math import ceil

from litestar.types import Scope
from msgspec import Struct

from gateway.telemetry import Counter

from .answers import Header
from .client_address import ClientAddress
from .exchange import Exchange
from .problems import RateLimited

KEYS = 100_000
"""Users, or addresses, that one limit remembers."""

_ROUNDING = 1e-9
_MICROSECOND = 1e-6

_READS = frozenset({"GET"})
_WRITES = frozenset({"POST", "DELETE"})


class Verdict(Struct, frozen=True):
    """What a limit says to one more request; `retry_after` in seconds, 0 when it may pass."""

    retry_after: float
    headers: tuple[Header, ...]


class RateLimiter:
    """At most `count` requests at once, refilled over `seconds`, for each of `keys` keys.

    `clock` counts seconds and never goes back.
    """

    def __init__(
        self, count: int, seconds: float, clock: Callable[[], float], keys: int = KEYS
    ) -> None:
        self._seconds = seconds
        self._interval = seconds / count
        self._clock = clock
        self._keys = keys
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._limit = (b"ratelimit-limit", b"%d" % count)

    def take(self, key: str) -> Verdict:
        """Count a request by `key`, unless there are too many."""
        now = self._clock()
        before = max(self._full_at.pop(key, now), now)
        until_full = before + self._interval - now
        over = until_full - self._seconds
        if over > _ROUNDING:
            self._remember(key, before)
            return Verdict(over, self._headers(before - now))
        self._remember(key, now + until_full)
        return Verdict(0, self._headers(until_full))

    def _remember(self, key: str, full_at: float) -> None:
        self._full_at[key] = full_at
        if len(self._full_at) > self._keys:
            self._full_at.popitem(last=False)

    def _headers(self, until_full: float) -> tuple[Header, ...]:
        remaining = (self._seconds - until_full) / self._interval + _ROUNDING
        return (
            self._limit,
            (b"ratelimit-remaining", b"%d" % remaining),
            (b"ratelimit-reset", b"%d" % ceil(until_full - _MICROSECOND)),
        )


class RateLimits:
    """The limits of the contract; one that is None is off. `refusals` counts by limit."""

    def __init__(
        self,
        reads: RateLimiter | None,
        writes: RateLimiter | None,
        failed_auth: RateLimiter | None,
        address: ClientAddress,
        refusals: Counter,
    ) -> None:
        self._refusals = refusals
        self._reads = reads
        self._writes = writes
        self._failed_auth = failed_auth
        self._address = address

    def admit(self, user_id: str, exchange: Exchange) -> None:
        """Count a request by a user. Raises RateLimited."""
        if exchange.method in _READS:
            self._take("reads", self._reads, user_id, exchange)
        elif exchange.method in _WRITES:
            self._take("writes", self._writes, user_id, exchange)

    def count_failure(self, scope: Scope, exchange: Exchange) -> None:
        """Count a failed sign-in from where it came. Raises RateLimited."""
        if self._failed_auth is not None:
            address = self._address.of(scope)
            self._take("failed_auth", self._failed_auth, address, exchange)

    def _take(self, name: str, limiter: RateLimiter | None, key: str, exchange: Exchange) -> None:
        if limiter is None:
            return
        verdict = limiter.take(key)
        exchange.add_headers(*verdict.headers)
        if verdict.retry_after:
            self._refusals.inc(name)
            raise RateLimited(verdict.retry_after)
