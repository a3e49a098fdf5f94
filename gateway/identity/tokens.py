"""Token verification: a bearer token → Identity.

Checks run from cheap to dear: length, form, header, signature, payload, claims.

PyJWT does one thing: `PyJWS.decode` checks the signature over the segments as sent and returns the
payload's bytes. It also refuses non-canonical base64url, and a key with a type or curve that does
not suit the algorithm. This module checks the rest:

- The token has at most 8 KB, checked before any decoding, and three segments without padding.
- Header and payload are JSON objects in strict UTF-8, without NaN or duplicate keys at any depth.
- `typ` and `kid` are well-formed. No header parameter changes how the token is read or where its
  key comes from; PyJWT honours `b64` and ignores `jku`, `jwk`, `zip` and `cty`.
- `alg` is one of the key's own. PyJWT gets a list of that one name: it tests with `in`, and a
  string would match by part.
- Every claim is valid (`claims.py`). PyJWT requires none and accepts `exp` as text.

An ECDSA signature has a second valid form (r, n-s), so one token can have two texts. A list of
revoked tokens must not compare texts.
"""

import json
import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import NoReturn

from jwt import PyJWTError
from jwt.api_jws import PyJWS

from gateway.rooms import TokenFault, TokenInvalid, TokenTooLong

from .claims import ClaimRules, Identity, identity_from
from .keys import ALGORITHMS, Key, KeySource, Waiting

MAX_TOKEN_BYTES = 8192

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+")
_KEY_ID = re.compile(r"(?!.*\.\.)[A-Za-z0-9_.:/+=@-]{1,256}")
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt", "application/jwt"})
_JWS = PyJWS(algorithms=sorted(ALGORITHMS))
_REFUSED = frozenset({"crit", "b64", "zip", "enc", "cty", "jku", "x5u", "jwk", "x5c"})


class TokenVerifier:
    """A verifier of bearer tokens by `keys` and `rules`; `clock` gives epoch seconds."""

    def __init__(
        self, keys: KeySource, rules: ClaimRules, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys = keys
        self._rules = rules
        self._clock = clock

    async def verify(self, token: str, waiting: Waiting = nullcontext) -> Identity:
        """Return the identity in `token`, given in compact form.

        Raises TokenInvalid, with a short reason that quotes nothing of the token, or TokenExpired.
        Errors of the key source and of `waiting` pass through.
        """
        payload = await signed_payload(token, self._keys, waiting)
        return identity_from(_json_object(payload, "payload"), self._rules, self._clock())


async def signed_payload(token: str, keys: KeySource, waiting: Waiting = nullcontext) -> bytes:
    """Check the signature of `token` and return its payload, without checking the claims.

    Raises TokenInvalid. Errors of the key source and of `waiting` pass through.
    """
    header = _json_object(_decoded(_compact(token)[1], "header"), "header")
    algorithm, kid = _require_header(header)
    candidates = await keys.candidates(kid, waiting)
    return _payload(token, algorithm, [key for key in candidates if algorithm in key.algorithms])


def unverified_claims(token: str) -> Mapping[str, object]:
    """Return the claims of a token that nobody has verified. Raises TokenInvalid."""
    return _json_object(_decoded(_compact(token)[2], "payload"), "payload")


def _payload(token: str, algorithm: str, keys: Sequence[Key]) -> bytes:
    if not keys:
        raise TokenInvalid("no key for this alg and kid", TokenFault.UNKNOWN_KEY)
    for key in keys:
        with suppress(PyJWTError):
            payload: bytes = _JWS.decode(token, key.material, algorithms=[algorithm])
            return payload
    raise TokenInvalid("signature does not match", TokenFault.SIGNATURE)


def _compact(token: str) -> re.Match[str]:
    """Match three base64url segments. They are ASCII: characters are bytes."""
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenTooLong
    compact = _COMPACT.fullmatch(token)
    if compact is None:
        raise TokenInvalid("token is not in compact form")
    return compact


def _decoded(segment: str, part: str) -> bytes:
    try:
        return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError:
        raise TokenInvalid(f"{part} is not base64url") from None


def _json_object(data: bytes, part: str) -> Mapping[str, object]:
    try:
        value = _STRICT_JSON.decode(data.decode())
    except (ValueError, RecursionError):
        raise TokenInvalid(f"{part} is not strict JSON") from None  # the cause quotes the token
    if not isinstance(value, dict):
        raise TokenInvalid(f"{part} is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_STRICT_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _require_header(header: Mapping[str, object]) -> tuple[str, str | None]:
    """Return `alg` and `kid` of a header without unsupported parameters."""
    if not _REFUSED.isdisjoint(header):
        raise TokenInvalid("header has a parameter that is not supported")
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenInvalid("alg is not supported", TokenFault.ALGORITHM)
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise TokenInvalid("typ is not a JWT")
    if "kid" not in header:
        return algorithm, None
    if not isinstance(kid, str) or not _KEY_ID.fullmatch(kid):
        raise TokenInvalid("kid is malformed")
    return algorithm, kid
