"""A cache of verified tokens, so that a polling client costs one verification.

The whole token is the cache key; of a long one its digest, which bounds the bytes. Looking up a
short token by text takes a quarter of the time. An entry expires at the moment at which the
verifier would refuse the token. A change of keys needs `clear`.

A token may grant thousands of scopes; a caller keeps those that the gateway asks for. An operator's
refusals hold for tokens in the cache and for others.
"""

from collections.abc import Callable
from contextlib import nullcontext
from hashlib import blake2b
from typing import Protocol

from cachetools import LRUCache
from msgspec.structs import replace

from gateway.rooms import (
    Caller,
    Refusals,
    TokenExpired,
    TokenFault,
    TokenInvalid,
    Unauthenticated,
    UpstreamUnavailable,
)
from gateway.telemetry import Counter

from .claims import Identity
from .keys import Waiting


class Verifier(Protocol):
    """Verifies tokens."""

    async def verify(self, token: str, waiting: Waiting = nullcontext) -> Identity:
        """Return the identity in `token`; raise as `TokenVerifier.verify` does."""


_LONGEST_TEXT = 2048
"""Characters of a token that is a key itself."""


class _Cache(LRUCache[str | bytes, Identity]):
    """Identities by token. Its repr shows no token."""

    def __repr__(self) -> str:
        return f"<{len(self)} tokens>"


class CachingVerifier:
    """A cache of at most `size` tokens in front of `verifier`.

    `leeway` (seconds) and `clock` are the verifier's. Callers keep those of `scopes` that their
    token grants. `verifications` counts by outcome. `changes` counts all that may have made
    tokens bad which were good.
    """

    def __init__(
        self,
        verifier: Verifier,
        *,
        leeway: float,
        clock: Callable[[], float],
        size: int,
        scopes: frozenset[str],
        verifications: Counter,
    ) -> None:
        self._verifier = verifier
        self._leeway = leeway
        self._clock = clock
        self._cache = _Cache(size)
        self._scopes = scopes
        self._verifications = verifications
        self._refusals: Refusals | None = None
        self.changes = 0

    def refuse(self, refusals: Refusals) -> None:
        """Refuse these users and tokens from now on, and no others."""
        refused = refusals or None
        if refused != self._refusals:
            self._refusals = refused
            self.changes += 1

    def peek(self, token: str) -> Caller | None:
        """Return the caller of a cached token that would be accepted, else None."""
        try:
            identity = self._cache[_key(token)]
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
                raise TokenInvalid("refused by an operator", TokenFault.REFUSED)
        except UpstreamUnavailable:
            self._verifications.inc("no_keys")
            raise
        except Unauthenticated as error:
            self._verifications.inc("expired" if isinstance(error, TokenExpired) else "invalid")
            raise
        self._verifications.inc("verified")
        caller = replace(identity.caller, scopes=identity.caller.scopes & self._scopes)
        self._cache[_key(token)] = replace(identity, caller=caller)
        return caller

    async def expiry(self, token: str) -> float:
        """Return the `exp` of a token in epoch seconds, or raise as the verifier does."""
        await self.verify(token)
        return self._cache[_key(token)].expires_at

    def clear(self) -> None:
        """Empty the cache, because the keys have changed."""
        self._cache.clear()
        self.changes += 1

    def _is_refused(self, refusals: Refusals, identity: Identity) -> bool:
        return refusals.cover(identity.caller.user_id, identity.token_id, self._clock())


def _key(token: str) -> str | bytes:
    if len(token) <= _LONGEST_TEXT:
        return token
    return blake2b(token.encode(), digest_size=32).digest()
