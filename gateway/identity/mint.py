"""Token minting, for trials only: in production the account system issues tokens."""

from collections.abc import Sequence

import jwt

from .claims import ClaimRules


def mint(
    secret: str, user_id: str, rules: ClaimRules, *, scopes: Sequence[str], now: float, ttl: int
) -> str:
    """Make an HS256 token for `user_id` that meets `rules` from `now` on, for `ttl` seconds."""
    claims: dict[str, object] = {
        rules.user_claim: user_id,
        "iat": int(now),
        "exp": int(now) + ttl,
        "scope": " ".join(scopes) or None,
        "iss": rules.issuer,
        "aud": rules.audience,
    }
    given = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(given, secret, algorithm="HS256")
