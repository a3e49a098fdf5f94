"""Several issuers, each with keys of its own.

The issuer that a token names chooses the keys, before anything in the token is proven. They alone
verify it, and its claims are checked for the same issuer: a key of one issuer never verifies a
token of another.
"""

from collections.abc import Mapping
from contextlib import nullcontext

from gateway.rooms import TokenFault, TokenInvalid, Unauthenticated

from .claims import Identity
from .keys import Waiting
from .tokens import TokenVerifier, unverified_claims


class IssuersVerifier:
    """Verifies a token with the verifier of the issuer that it names."""

    def __init__(self, verifiers: Mapping[str, TokenVerifier]) -> None:
        self._verifiers = verifiers

    async def verify(self, token: str, waiting: Waiting = nullcontext) -> Identity:
        """Return the identity in `token`; raises what `TokenVerifier.verify` does."""
        issuer = unverified_claims(token).get("iss")
        verifier = self._verifiers.get(issuer) if isinstance(issuer, str) else None
        if verifier is None:
            raise TokenInvalid("iss is not a configured issuer", TokenFault.ISSUER)
        try:
            return await verifier.verify(token, waiting)
        except Unauthenticated as error:
            error.issuer = str(issuer)
            raise
