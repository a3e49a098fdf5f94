"""Minted tokens must be accepted by the verifier."""

from itertools import product

import jwt
import pytest

from gateway.identity import ClaimRules, mint
from gateway.identity.claims import identity_from

SECRET = "a-secret-of-more-than-thirty-two-bytes"
NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("issuer", "audience", "user_claim"),
    list(product((None, "https://accounts.example.com"), (None, "live"), ("sub", "uid"))),
)
def test_what_the_rules_ask_for_is_in_it(
    issuer: str | None, audience: str | None, user_claim: str
) -> None:
    """A minted token has the required issuer, audience and user claim."""
    rules = ClaimRules(issuer, audience, leeway=0, user_claim=user_claim)
    token = mint(SECRET, "alice", rules, scopes=["a", "b"], now=NOW + 0.9, ttl=60)
    claims = jwt.decode(token, options={"verify_signature": False})
    identity = identity_from(claims, rules, NOW + 1)
    assert identity.caller.user_id == "alice"
    assert identity.caller.scopes == {"a", "b"}
    assert identity.expires_at == NOW + 60
