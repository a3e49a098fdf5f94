"""Rate limits of requests: reads and writes by user, failed sign-ins by client address.

A batch counts as one read for each of its rooms, and is refused whole.

A failed sign-in counts once it has failed. An address that has used up its failures gets 429 for
any further one, but a good token still passes: many users can share an address.

A token with an unknown key has to wait for the issuer, and may fail then. So an address can have
only as many of them waiting as it has failures left, and all addresses together `MAX_PENDING`. A
refusal beyond that uses up nothing: after a rotation all users of an address pass as soon as the
new key is known, whatever their number.
"""

from collections import Counter as Counts
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import lru_cache
from math import ceil

from litestar.types import Scope
from msgspec import structs

from gateway.rooms import (
    Overloaded,
    PromptRateLimiter,
    Quota,
    RateLimited,
    RateLimiter,
    Session,
)
from gateway.telemetry import Counter

from .answers import Header
from .client_address import ClientAddress
from .exchange import Exchange

MAX_PENDING = 500
"""Requests that may wait for the issuer at once. They cost a few kilobytes each."""

_A_MOMENT = 1.0
"""Seconds after which a token with an unknown key can be tried again."""

_FORMATTED = 2048
"""Quotas whose headers are remembered: most callers have the same few."""

_ROUNDING = 1e-6
"""Seconds by which a full second may be missed."""


class RateLimits:
    """The limits of each kind of request; None is no limit. `refusals` counts by limit."""

    def __init__(
        self,
        reads: PromptRateLimiter | None,
        writes: RateLimiter | None,
        failed_auth: RateLimiter | None,
        address: ClientAddress,
        refusals: Counter,
    ) -> None:
        read, write = ("reads", reads), ("writes", writes)
        self._reads = reads
        self._by_method = {"GET": read, "POST": write, "DELETE": write}
        self._failed_auth = failed_auth
        self._address = address
        self._refusals = refusals
        self._pending: Counts[str] = Counts()

    async def admit(self, user_id: str, exchange: Exchange, cost: int = 1) -> None:
        """Count a request by a user, worth `cost` of them. Raises RateLimited."""
        name, limiter = self._by_method.get(exchange.method, ("", None))
        if limiter is not None:
            self._apply(name, await limiter.take(user_id, cost), exchange)

    def spend(self, session: Session) -> tuple[Header, ...] | None:
        """Count a read of a caller's and return its headers; None for one to be refused, uncounted.

        The caller's bucket is looked up once for a session, and again if the limiter forgets it.
        """
        reads = self._reads
        if reads is None:
            return ()
        bucket = session.bucket
        if bucket is None or not bucket.kept:
            bucket = session.bucket = reads.bucket(session.caller.user_id)
        quota = reads.spend(bucket)
        if quota.retry_after:
            return None
        return _formatted(quota.limit, quota.remaining, ceil(quota.reset - _ROUNDING))

    async def count_failure(self, scope: Scope, exchange: Exchange) -> None:
        """Count a failed sign-in by the client's address. Raises RateLimited."""
        if self._failed_auth is not None:
            quota = await self._failed_auth.take(self._address.of(scope))
            self._apply("failed_auth", quota, exchange)

    @asynccontextmanager
    async def pending(self, scope: Scope, exchange: Exchange) -> AsyncGenerator[None]:
        """Count a request as a possible failure of its address while the block runs.

        Raises RateLimited for an address without failures left, Overloaded beyond `MAX_PENDING`.
        """
        address = self._address.of(scope)
        if self._failed_auth is not None:
            quota = await self._failed_auth.look(address)
            if quota.remaining <= self._pending[address]:
                refusal = structs.replace(
                    quota, remaining=0, retry_after=quota.retry_after or _A_MOMENT
                )
                self._apply("failed_auth", refusal, exchange)
        if self._pending.total() >= MAX_PENDING:
            raise Overloaded
        self._pending[address] += 1
        try:
            yield
        finally:
            self._pending[address] -= 1
            if not self._pending[address]:
                del self._pending[address]

    def _apply(self, name: str, quota: Quota, exchange: Exchange) -> None:
        reset = ceil(quota.reset - _ROUNDING)
        exchange.add_headers(*_formatted(quota.limit, quota.remaining, reset))
        if quota.retry_after:
            self._refusals.inc(name)
            raise RateLimited(quota.retry_after)


@lru_cache(_FORMATTED)
def _formatted(limit: int, remaining: int, reset: int) -> tuple[Header, ...]:
    return (
        (b"ratelimit-limit", b"%d" % limit),
        (b"ratelimit-remaining", b"%d" % remaining),
        (b"ratelimit-reset", b"%d" % reset),
    )
