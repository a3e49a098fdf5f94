"""A cache of verified tokens, so that a polling client costs one verification.

The key is the `Authorization` header as clients send it, the whole token in it; of a long one its
digest, which bounds the bytes. Looking up a short one by its bytes takes a quarter of the time. An
entry expires at the moment at which the verifier would refuse the token. A change of keys needs
`clear`.

A token may grant thousands of scopes; a caller keeps those that the gateway asks for. An operator's
refusals hold for tokens in the cache and for others.
"""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from hashlib import blake2b
from typing import Protocol

from msgspec.structs import replace

from gateway.rooms import (
    Caller,
    Refusals,
    Session,
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


_LONGEST_KEY = 2048
"""Bytes of a header that is a key itself."""


class _Sessions(OrderedDict[bytes, Session]):
    """Sessions, the one not used for longest first. Its repr shows no token."""

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
        self._sessions = _Sessions()
        self._size = size
        self._scopes = scopes
        self._verifications = verifications
        self.count_recalled = verifications.bound("remembered")
        self._refusals: Refusals | None = None
        self.changes = 0

    def refuse(self, refusals: Refusals) -> None:
        """Refuse these users and tokens from now on, and no others."""
        refused = refusals or None
        if refused != self._refusals:
            self._refusals = refused
            self.changes += 1

    def recall(self, authorization: bytes) -> Session | None:
        """Return the session of a header with a cached token that would be accepted, else None.

        Call `count_recalled` if that decides about a request.
        """
        key = authorization if len(authorization) <= _LONGEST_KEY else _key(authorization)
        session = self._sessions.get(key)
        if session is None or session.expires_at <= self._clock() - self._leeway:
            return None
        if self._refusals is not None and self._is_refused(self._refusals, session):
            return None
        self._sessions.move_to_end(key)
        return session

    def peek(self, token: str) -> Caller | None:
        """Return the caller of a cached token that would be accepted, else None."""
        session = self.recall(_header(token))
        if session is None:
            return None
        self.count_recalled()
        return session.caller

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
        self._remember(token, Session(caller, identity.expires_at, identity.token_id))
        return caller

    def _remember(self, token: str, session: Session) -> None:
        self._sessions[_key(_header(token))] = session
        if len(self._sessions) > self._size:
            self._sessions.popitem(last=False)

    async def expiry(self, token: str) -> float:
        """Return the `exp` of a token in epoch seconds, or raise as the verifier does."""
        await self.verify(token)
        return self._sessions[_key(_header(token))].expires_at

    def clear(self) -> None:
        """Empty the cache, because the keys have changed."""
        self._sessions.clear()
        self.changes += 1

    def _is_refused(self, refusals: Refusals, found: Identity | Session) -> bool:
        return refusals.cover(found.caller.user_id, found.token_id, self._clock())


def _header(token: str) -> bytes:
    return b"Bearer " + token.encode()  # a valid token is ASCII


def _key(authorization: bytes) -> bytes:
    if len(authorization) <= _LONGEST_KEY:
        return authorization
    return blake2b(authorization, digest_size=32).digest()
