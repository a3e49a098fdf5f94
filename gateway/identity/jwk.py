"""JSON Web Keys (RFC 7517) → keys that tokens may be verified with.

- What a key says about itself binds: `use` must be for signatures, `key_ops` must have `verify`,
  `alg` is then its only algorithm. `kid` is a name and nothing else.
- A published set holds public keys. A symmetric key in one is everyone's, a private key is no
  longer private: neither is taken, and nor is one that is too weak.
- A key that cannot be used is left out with a reason. What is left is the set, be it empty: an
  issuer that withdraws its last key means it.
- `jku`, `x5u` and `x5c` are not looked at: a key is only what stands in it.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec
from jwt import PyJWTError
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm
from msgspec import Struct

from .keys import ALGORITHMS, Key, PublicKey, fitting

_READERS: Mapping[str, Callable[[dict[str, Any]], Any]] = MappingProxyType(
    {
        "RSA": RSAAlgorithm.from_jwk,
        "EC": ECAlgorithm.from_jwk,
        "OKP": OKPAlgorithm.from_jwk,
        "oct": HMACAlgorithm.from_jwk,
    }
)
_PRIVATE = "d"


class _Published(Struct):
    keys: list[object]


class NamedKey(Struct, frozen=True):
    """A key and its `kid`, None where it has no usable one."""

    kid: str | None
    key: Key


class KeySet(Struct, frozen=True):
    """The usable keys of a JWK set, and a sentence for each other."""

    keys: tuple[NamedKey, ...]
    left_out: tuple[str, ...]


def parse_key_set(text: bytes, algorithms: Sequence[str] | None = None) -> KeySet:
    """Return the public keys of a JWK set, for `algorithms` only where they are given.

    Raises ValueError, holding nothing of the text, for what is not a JWK set.
    """
    usable: list[NamedKey] = []
    left_out: list[str] = []
    for place, entry in enumerate(_entries(text), start=1):
        try:
            usable.append(_public(entry, algorithms))
        except ValueError as error:
            left_out.append(f"key {place}: {error}")
    return KeySet(tuple(usable), tuple(left_out))


def key_from_jwk(jwk: Mapping[str, Any], algorithms: Sequence[str] | None = None) -> Key:
    """Return the key that `jwk` is, a secret one included.

    Its algorithms are the one it names, or those of `algorithms` that fit it, or its kind's usual
    one. Raises ValueError, holding nothing of the key, for one that cannot be used.
    """
    _require_for_signatures(jwk)
    material = _material(jwk)
    able = fitting(material)
    if (named := jwk.get("alg")) is not None:
        if named not in able:
            raise ValueError("Its `alg` does not fit its kind.")
        able = (named,)
    elif algorithms is None:
        able = able[:1]
    chosen = able if algorithms is None else [name for name in able if name in algorithms]
    if not chosen:
        raise ValueError("It fits none of the accepted algorithms.")
    return Key(frozenset(chosen), material)


def _entries(text: bytes) -> list[object]:
    try:
        return msgspec.json.decode(text, type=_Published).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError('It is not a JWK set: {"keys": [...]}.') from None


def _public(entry: object, algorithms: Sequence[str] | None) -> NamedKey:
    if not isinstance(entry, dict):
        raise ValueError("It is not a JSON object.")  # noqa: TRY004  # of the issuer, not ours
    if entry.get("kty") == "oct":
        raise ValueError("A symmetric key in a published set is no secret.")
    kid = entry.get("kid")
    return NamedKey(kid if isinstance(kid, str) else None, key_from_jwk(entry, algorithms))


def _require_for_signatures(jwk: Mapping[str, Any]) -> None:
    if jwk.get("use", "sig") != "sig":
        raise ValueError("Its `use` is not for signatures.")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("Its `key_ops` do not allow to verify.")
    if not isinstance(jwk.get("alg"), str | None) or jwk.get("alg", "RS256") not in ALGORITHMS:
        raise ValueError("Its `alg` is not supported.")


def _material(jwk: Mapping[str, Any]) -> bytes | PublicKey:
    kind = jwk.get("kty")
    if not isinstance(kind, str) or kind not in _READERS:
        raise ValueError("Its `kty` is not supported.")
    if _PRIVATE in jwk:
        raise ValueError("It is a private key.")
    try:
        material: bytes | PublicKey = _READERS[kind](dict(jwk))
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        raise ValueError("It cannot be read.") from None  # the cause may quote the key
    return material
