"""Token → Identity: what a bearer token must be before anything in it is believed.

In this order, cheapest and least trusting first: length, form, header, signature, payload, claims.

PyJWT does, and is trusted with, exactly one thing: `PyJWS.decode` checks the signature over the
segments as sent and returns the payload's bytes. It also refuses non-canonical base64url, which
keeps a token's last character from having sixteen spellings, and a key whose type or curve does
not fit the algorithm. Checked here because PyJWT does not, or only with other calls:

- the length, before any decoding, and that there are three segments without padding;
- JSON in strict UTF-8, an object, no key twice at any depth (it lets the last one win), no NaN;
- the header: `typ`, the form of `kid`, and no parameter that would change how the token is
  read or where its key comes from. It knows `b64` and lets `jku`, `jwk`, `zip`, `cty` pass;
- that `alg` is one of the key's own. `algorithms` goes to it as a list of that one name: it tests
  with `in`, so that a text would match by part;
- every claim (`claims.py`): it requires none and takes `exp` as text.

An ECDSA signature has a second valid form (r, n-s): a token's text is no proof of being the only
one, so a list of revoked tokens must not go by it.
"""

import json
import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from jwt import PyJWTError
from jwt.api_jws import PyJWS

from gateway.rooms import TokenInvalid

from .claims import ClaimRules, Identity, identity_from
from .keys import ALGORITHMS, Key, KeySource

MAX_TOKEN_BYTES = 8192

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_KEY_ID = re.compile(r"(?!.*\.\.)[A-Za-z0-9_.:/+=@-]{1,256}")
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt", "application/jwt"})
_JWS = PyJWS(algorithms=sorted(ALGORITHMS))
_REFUSED = frozenset({"crit", "b64", "zip", "enc", "cty", "jku", "x5u", "jwk", "x5c"})


class TokenVerifier:
    """Verifies bearer tokens with `keys`, by `rules`, at the epoch seconds `clock` tells."""

    def __init__(
        self, keys: KeySource, rules: ClaimRules, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys = keys
        self._rules = rules
        self._clock = clock

    async def verify(self, token: str) -> Identity:
        """Return who `token`, in compact form, speaks for.

        Raises TokenInvalid with a short reason that holds nothing of the token, or TokenExpired;
        nothing else, whatever the text, but what the key source raises.
        """
        payload = await signed_payload(token, self._keys)
        return identity_from(_json_object(payload, "payload"), self._rules, self._clock())


async def signed_payload(token: str, keys: KeySource) -> bytes:
    """Return what `token` says, whatever that is, once one of `keys` proves who says it.

    Raises TokenInvalid, and what the key source raises.
    """
    header = _json_object(_decoded(_header_segment(token)), "header")
    algorithm, kid = _require_header(header)
    candidates = await keys.candidates(kid)
    return _payload(token, algorithm, [key for key in candidates if algorithm in key.algorithms])


def _payload(token: str, algorithm: str, keys: Sequence[Key]) -> bytes:
    if not keys:
        raise TokenInvalid("no key for this alg and kid")
    for key in keys:
        with suppress(PyJWTError):
            payload: bytes = _JWS.decode(token, key.material, algorithms=[algorithm])
            return payload
    raise TokenInvalid("signature does not match")


def _header_segment(token: str) -> str:
    """Return the first of three base64url segments; they are ASCII, so characters are bytes."""
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenInvalid("token is too long")
    compact = _COMPACT.fullmatch(token)
    if compact is None:
        raise TokenInvalid("token is not in compact form")
    return compact[1]


def _decoded(segment: str) -> bytes:
    try:
        return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError:
        raise TokenInvalid("header is not base64url") from None


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
        raise ValueError("a key stands twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_STRICT_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _require_header(header: Mapping[str, object]) -> tuple[str, str | None]:
    """Return `alg` and `kid` of a header that asks for nothing out of the ordinary."""
    if not _REFUSED.isdisjoint(header):
        raise TokenInvalid("header has a parameter that is not supported")
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenInvalid("alg is not supported")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise TokenInvalid("typ is not a JWT")
    if "kid" not in header:
        return algorithm, None
    if not isinstance(kid, str) or not _KEY_ID.fullmatch(kid):
        raise TokenInvalid("kid is malformed")
    return algorithm, kid
