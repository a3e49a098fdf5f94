"""JSON Web Keys (RFC 7517) → verification keys.

- A key's own restrictions bind: `use` must be `sig`, `key_ops` must have `verify`, and `alg` is its
  only algorithm. `kid` is a name and nothing else.
- A published set holds public keys. Symmetric, private and weak keys are left out.
- An unusable key is left out with a reason. The set may end up empty: an issuer may withdraw its
  last key.
- A `kid` names one key per algorithm (§4.5). If it names two, both are left out.
- A duplicate name in an object counts by its last value, as §4 allows.
- `jku`, `x5u` and `x5c` are ignored.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from types import MappingProxyType
from typing import Any

import msgspec
from jwt import PyJWTError
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm
from msgspec import Struct

from .keys import ALGORITHMS, Key, PublicKey, Waiting, fitting

_READERS: Mapping[str, Callable[[dict[str, Any]], Any]] = MappingProxyType(
    {
        "RSA": RSAAlgorithm.from_jwk,
        "EC": ECAlgorithm.from_jwk,
        "OKP": OKPAlgorithm.from_jwk,
        "oct": HMACAlgorithm.from_jwk,
    }
)
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
"""Members of private keys only (RFC 7518 §6.2.2 and §6.3.2, RFC 8037 §2)."""

_MOST_KEYS = 100
"""In one set. Reading a key blocks the event loop for a fraction of a millisecond."""


class _Published(Struct):
    keys: list[object]


class NamedKey(Struct, frozen=True):
    """A key and its `kid`; None without a usable one."""

    kid: str | None
    key: Key


class KeySet(Struct, frozen=True):
    """The usable keys of a JWK set, and a reason for each unusable one."""

    keys: tuple[NamedKey, ...]
    left_out: tuple[str, ...]

    def named(self, kid: str | None) -> list[Key]:
        """Return the keys named `kid`, or all for None."""
        return [each.key for each in self.keys if kid is None or each.kid == kid]


class StaticKeySet:
    """A configured set, whose keys are found by `kid`."""

    state = "ok"

    def __init__(self, keys: KeySet) -> None:
        self.replace(keys)

    def replace(self, keys: KeySet) -> None:
        """Replace all keys."""
        self._keys = keys

    async def candidates(
        self, kid: str | None, _waiting: Waiting = nullcontext, /
    ) -> Sequence[Key]:
        """Return the keys named `kid`, all for None, without a wait."""
        return self._keys.named(kid)

    async def keep_fresh(self) -> None:
        """Return at once: `replace` brings other keys."""


def parse_key_set(text: bytes, algorithms: Sequence[str] | None = None) -> KeySet:
    """Return the public keys of a JWK set, limited to `algorithms` if given.

    Raises ValueError, without quoting the text, if it is not a JWK set.
    """
    return key_set(_entries(text), partial(_public, algorithms=algorithms))


def key_set(entries: Iterable[object], read: Callable[[object], NamedKey]) -> KeySet:
    """Read each entry with `read`; leave out entries that raise ValueError."""
    usable: dict[int, NamedKey] = {}
    left_out: dict[int, str] = {}
    for place, entry in enumerate(entries, start=1):
        try:
            usable[place] = read(entry)
        except ValueError as error:
            left_out[place] = str(error)
    for place in _clashing(usable):
        del usable[place]
        left_out[place] = "Its `kid` names another key as well."
    reasons = (f"key {place}: {left_out[place]}" for place in sorted(left_out))
    return KeySet(tuple(usable.values()), tuple(reasons))


def named_key(entry: object, algorithms: Sequence[str] | None = None) -> NamedKey:
    """Read one entry of a set, public or symmetric, with its name."""
    if not isinstance(entry, dict):
        raise ValueError("It is not a JSON object.")  # noqa: TRY004  # of the issuer, not ours
    kid = entry.get("kid")
    return NamedKey(kid if isinstance(kid, str) else None, key_from_jwk(entry, algorithms))


def key_from_jwk(jwk: Mapping[str, Any], algorithms: Sequence[str] | None = None) -> Key:
    """Read one JSON Web Key, public or symmetric.

    Its algorithms are its own `alg`, else those of `algorithms` that suit it, else the default of
    its type. Raises ValueError, without quoting the key, for an unusable one.
    """
    _require_for_signatures(jwk)
    material = _material(jwk)
    able = fitting(material)
    if (named := jwk.get("alg")) is not None:
        if named not in able:
            raise ValueError("Its `alg` does not suit its type.")
        able = (named,)
    elif algorithms is None:
        able = able[:1]
    chosen = able if algorithms is None else [name for name in able if name in algorithms]
    if not chosen:
        raise ValueError("It suits none of the accepted algorithms.")
    return Key(frozenset(chosen), material)


def _entries(text: bytes) -> list[object]:
    try:
        entries = msgspec.json.decode(text, type=_Published).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError('It is not a JWK set: {"keys": [...]}.') from None
    if len(entries) > _MOST_KEYS:
        raise ValueError(f"It is a JWK set of more than {_MOST_KEYS} keys.")
    return entries


def is_symmetric(entry: object) -> bool:
    """Return whether an entry of a set is a symmetric key."""
    return isinstance(entry, dict) and entry.get("kty") == "oct"


def _public(entry: object, algorithms: Sequence[str] | None) -> NamedKey:
    if is_symmetric(entry):
        raise ValueError("It is a symmetric key, no secret in a published set.")
    return named_key(entry, algorithms)


def _clashing(keys: Mapping[int, NamedKey]) -> set[int]:
    """Return the positions of different keys with the same `kid` and algorithm."""
    places: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for place, each in keys.items():
        for algorithm in each.key.algorithms if each.kid is not None else ():
            places[each.kid or "", algorithm].append(place)
    return {
        place
        for same in places.values()
        for place in same
        if any(keys[other].key.material != keys[place].key.material for other in same)
    }


def _require_for_signatures(jwk: Mapping[str, Any]) -> None:
    if jwk.get("use", "sig") != "sig":
        raise ValueError("Its `use` is not for signatures.")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("Its `key_ops` do not include `verify`.")
    if not isinstance(jwk.get("alg"), str | None) or jwk.get("alg", "RS256") not in ALGORITHMS:
        raise ValueError("Its `alg` is not supported.")


def _material(jwk: Mapping[str, Any]) -> bytes | PublicKey:
    kind = jwk.get("kty")
    if not isinstance(kind, str) or kind not in _READERS:
        raise ValueError("Its `kty` is not supported.")
    if not _PRIVATE.isdisjoint(jwk):
        raise ValueError("It is a private key.")
    try:
        material = _READERS[kind](dict(jwk))
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        raise ValueError("It cannot be read.") from None  # the cause may quote the key
    if isinstance(material, bytes | PublicKey):
        return material
    raise ValueError("Its `crv` is not supported.")  # Ed448, which PyJWT reads
