"""Claims validation: the claims of a signed token → the caller. Pure.

- `exp` is required. Times are JSON numbers (RFC 7519 §2 NumericDate) before the year 9999. `exp`
  may be past, and `nbf` and `iat` in the future, by the leeway.
- `iss` and `aud` are compared exactly when configured and ignored otherwise. `aud` is a string or
  a list of strings (§4.1.3); a list with anything else in it is refused.
- The user id is printable text without white space, as identity providers make them
  (`auth0|5f7c…`), or an integer, which counts as its decimal text.
- `name` and `picture` are used where the caller is registered as an anchor, and ignored if odd.
- `jti` is kept, so that an operator can refuse the token by it, and ignored if odd.
- Expiry is checked last, so `TokenExpired` means that a fresh token from the same issuer will do.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeGuard

from msgspec import Struct

from gateway.rooms import (
    Caller,
    TokenExpired,
    TokenFault,
    TokenInvalid,
    Unauthenticated,
    is_token_id,
    is_user_id,
)

_LONGEST_SHOWN = 255
_LARGEST_ID = 10**127
"""Integers below it have at most 128 characters, with a sign too."""

_YEAR_9999 = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


class ClaimRules(Struct, frozen=True):
    """Rules for the claims. `leeway` is in seconds; `user_claim` is the claim with the user id."""

    issuer: str | None
    audience: str | None
    leeway: float
    user_claim: str = "sub"


class Identity(Struct, frozen=True):
    """A verified caller, the token's `exp` in epoch seconds, without leeway, and its `jti`.

    `token_id` is empty for a token without one.
    """

    caller: Caller
    expires_at: float
    token_id: str = ""

    def is_current(self, now: float, leeway: float) -> bool:
        """Return true while the token is accepted, at `now` epoch seconds."""
        return self.expires_at > now - leeway


def identity_from(claims: Mapping[str, object], rules: ClaimRules, now: float) -> Identity:
    """Return the identity that a signed token's `claims` give at `now` epoch seconds.

    Raises TokenInvalid, or TokenExpired if nothing but the expiry is wrong.
    """
    _require_issuer(claims, rules.issuer)
    try:
        return _of_issuer(claims, rules, now)
    except Unauthenticated as error:
        error.issuer = rules.issuer
        raise


def _of_issuer(claims: Mapping[str, object], rules: ClaimRules, now: float) -> Identity:
    _require_started(claims, now + rules.leeway)
    _require_audience(claims, rules.audience)
    caller = Caller(
        _user_id(claims, rules.user_claim),
        _scopes(claims.get("scope")),
        name=_shown(claims.get("name")),
        picture=_shown(claims.get("picture")),
    )
    identity = Identity(caller, _time(claims, "exp"), _token_id(claims.get("jti")))
    if not identity.is_current(now, rules.leeway):
        raise TokenExpired("token has expired")
    return identity


def _time(claims: Mapping[str, object], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenInvalid(f"{name} is not a number")
    if not -_YEAR_9999 < value < _YEAR_9999:
        raise TokenInvalid(f"{name} is out of range")
    return float(value)


def _require_started(claims: Mapping[str, object], latest: float) -> None:
    for name in ("nbf", "iat"):
        if name in claims and not _time(claims, name) <= latest:
            raise TokenInvalid(f"{name} is in the future", TokenFault.NOT_YET_VALID)


def _require_issuer(claims: Mapping[str, object], issuer: str | None) -> None:
    if issuer is not None and claims.get("iss") != issuer:
        raise TokenInvalid("iss is not the configured issuer", TokenFault.ISSUER)


def _require_audience(claims: Mapping[str, object], audience: str | None) -> None:
    if audience is None:
        return
    named = claims.get("aud")
    if named != audience and not (_is_list_of_strings(named) and audience in named):
        raise TokenInvalid("aud does not name the configured audience", TokenFault.AUDIENCE)


def _user_id(claims: Mapping[str, object], claim: str) -> str:
    value = claims.get(claim)
    if type(value) is int and abs(value) < _LARGEST_ID:  # bool is a subclass
        value = str(value)
    if not isinstance(value, str) or not is_user_id(value):
        raise TokenInvalid("user claim is not a usable id", TokenFault.USER)
    return value


def _token_id(value: object) -> str:
    return value if isinstance(value, str) and is_token_id(value) else ""


def _scopes(value: object) -> frozenset[str]:
    """Return the scopes in `scope`, space-delimited (RFC 8693 §4.2) or a list; else none."""
    if isinstance(value, str):
        value = value.split(" ")
    return frozenset(filter(None, value)) if _is_list_of_strings(value) else frozenset()


def _shown(value: object) -> str:
    """Return a claim for people to see (OpenID Connect §5.1); empty if it is not fit for that."""
    fit = isinstance(value, str) and len(value) <= _LONGEST_SHOWN and value.isprintable()
    return str(value) if fit else ""


def _is_list_of_strings(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
