"""A cache of verified tokens, so that a polling client costs one verification.

The whole token is the cache key. An entry expires at the moment at which the verifier would refuse
the token. A change of keys needs `clear`. Long tokens are not cached, which bounds the bytes too.

An operator's refusals hold for tokens in the cache and for others.
"""

from collections.abc import Callable
from contextlib import nullcontext

from cachetools import LRUCache

from gateway.rooms import (
    Caller,
    Refusals,
    TokenExpired,
    TokenInvalid,
    Unauthenticated,
    UpstreamUnavailable,
)
from gateway.telemetry import Counter

from .claims import Identity
from .keys import Waiting
from .tokens import TokenVerifier

_LONGEST = 2048


class _Cache(LRUCache[str, Identity]):
    """Identities by token. Its repr shows no token."""

    def __repr__(self) -> str:
        return f"<{len(self)} tokens>"


class CachingVerifier:
    """A cache of at most `size` tokens in front of `verifier`.

    `leeway` (seconds) and `clock` are the verifier's. `verifications` counts by outcome.
    """

    def __init__(
        self,
        verifier: TokenVerifier,
        *,
        leeway: float,
        clock: Callable[[], float],
        size: int,
        verifications: Counter,
    ) -> None:
        self._verifier = verifier
        self._leeway = leeway
        self._clock = clock
        self._cache = _Cache(size)
        self._verifications = verifications
        self._refusals: Refusals | None = None

    def refuse(self, refusals: Refusals) -> None:
        """Refuse these users and tokens from now on, and no others."""
        self._refusals = refusals or None

    def peek(self, token: str) -> Caller | None:
        """Return the caller of a cached token that would be accepted, else None."""
        try:
            identity = self._cache[token]
        except KeyError:
            return None
        if not identity.is_current(self._clock(), self._leeway):
            return None
        if self._refusals is not None and self._is_refused(self._refusals, identity):
            return None
        self._verifications.inc("remembered")
        return identity.caller

    async def verify(self, token: str, waiting: Waiting = nullcontext) -> Caller:
        """Return the caller of `token`, or raise as the verifier does."""
        if (cached := self.peek(token)) is not None:
            return cached
        try:
            identity = await self._verifier.verify(token, waiting)
            if self._refusals is not None and self._is_refused(self._refusals, identity):
                raise TokenInvalid("refused by an operator")
        except UpstreamUnavailable:
            self._verifications.inc("no_keys")
            raise
        except Unauthenticated as error:
            self._verifications.inc("expired" if isinstance(error, TokenExpired) else "invalid")
            raise
        self._verifications.inc("verified")
        if len(token) <= _LONGEST:
            self._cache[token] = identity
        return identity.caller

    def clear(self) -> None:
        """Empty the cache, because the keys have changed."""
        self._cache.clear()

    def _is_refused(self, refusals: Refusals, identity: Identity) -> bool:
        return refusals.cover(identity.caller.user_id, identity.token_id, self._clock())
