"""Verified tokens remembered until they expire, so that a polling client costs one verification.

The whole token is the key: what was verified is exactly these characters. It stops being accepted
at the second at which a verification would refuse it. Nothing else in a token turns bad with time,
and `forget` is for the one thing outside that does, a change of keys. Long tokens are verified each
time, which bounds the memory in bytes too.
"""

from collections.abc import Callable

from cachetools import LRUCache

from gateway.rooms import Caller, TokenExpired, Unauthenticated, UpstreamUnavailable
from gateway.telemetry import Counter

from .claims import Identity
from .tokens import TokenVerifier

_LONGEST = 2048


def _outcome(error: Unauthenticated | UpstreamUnavailable) -> str:
    if isinstance(error, UpstreamUnavailable):
        return "no_keys"
    return "expired" if isinstance(error, TokenExpired) else "invalid"


class _Known(LRUCache[str, Identity]):
    """Identities by their token, which is shown to nobody."""

    def __repr__(self) -> str:
        return f"<{len(self)} tokens>"


class CachingVerifier:
    """Verifies with `verifier`, at most `size` tokens remembered.

    `leeway` in seconds and `clock` are the verifier's own; `verifications` counts by outcome.
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
        self._known = _Known(size)
        self._verifications = verifications

    def recall(self, token: str) -> Caller | None:
        """Return the caller of a token that was verified before and is still good."""
        try:
            identity = self._known[token]
        except KeyError:
            return None
        if not identity.is_current(self._clock(), self._leeway):
            return None
        self._verifications.inc("remembered")
        return identity.caller

    async def verify(self, token: str) -> Caller:
        """Return the caller of `token`. Raises what the verifier does."""
        known = self.recall(token)
        if known is not None:
            return known
        try:
            identity = await self._verifier.verify(token)
        except (Unauthenticated, UpstreamUnavailable) as error:
            self._verifications.inc(_outcome(error))
            raise
        self._verifications.inc("verified")
        if len(token) <= _LONGEST:
            self._known[token] = identity
        return identity.caller

    def forget(self) -> None:
        """Verify every token anew, because the keys have changed."""
        self._known.clear()
