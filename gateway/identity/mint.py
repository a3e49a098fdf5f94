"""Tokens for trying things out; in production the user's own account system makes them."""

from collections.abc import Sequence

import jwt

from .claims import ClaimRules


def mint(
    secret: str,
    user_id: str,
    rules: ClaimRules,
    *,
    scopes: Sequence[str],
    now: float,
    ttl: int,
) -> str:
    """Return an HS256 token for `user_id` that `rules` accept from `now`, for `ttl` seconds."""
    claims: dict[str, object] = {
        rules.user_claim: user_id,
        "iat": int(now),
        "exp": int(now) + ttl,
    }
    if scopes:
        claims["scope"] = " ".join(scopes)
    if rules.issuer is not None:
        claims["iss"] = rules.issuer
    if rules.audience is not None:
        claims["aud"] = rules.audience
    return jwt.encode(claims, secret, algorithm="HS256")
