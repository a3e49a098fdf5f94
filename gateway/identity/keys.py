"""Verification keys and the algorithms allowed for each.

- A key has its own list of algorithms, and a token's `alg` must be in it. This stops the attack of
  signing with HS256 and a public key's text as the secret (RFC 8725 §3.1).
- A `Key` is validated when it is made, at startup. Refused are an unsuitable algorithm, a secret
  shorter than the hash (RFC 7518 §3.2) and a weak public key (`strength.py`).
- An error message never quotes the key or an unknown algorithm: secrets get pasted into the wrong
  setting.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from types import MappingProxyType
from typing import Final, Protocol, final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import InvalidKeyError
from jwt.algorithms import HMACAlgorithm

from gateway.secret import NeverPickled

from .strength import require_strong_ed25519, require_strong_rsa

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_SECRET_BYTES = MappingProxyType({"HS256": 32, "HS384": 48, "HS512": 64})
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES = MappingProxyType({"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"})
_EDWARDS = ("EdDSA",)

ALGORITHMS = frozenset((*_SECRET_BYTES, *_RSA, *_CURVES.values(), *_EDWARDS))
"""Every supported signature algorithm. `none` is not one."""


@final
class Key(NeverPickled):
    """An HMAC secret or a public key, and its allowed algorithms.

    Raises ValueError, with advice, for a weak key or an unsuitable algorithm. A plain class, so no
    serializer can enumerate its fields.
    """

    __slots__ = ("algorithms", "material")

    def __init__(self, algorithms: frozenset[str], material: bytes | PublicKey) -> None:
        _require_known(algorithms)
        _require_fit(algorithms, material)
        if isinstance(material, bytes):
            _require_secret(material, max(_SECRET_BYTES[name] for name in algorithms))
        elif isinstance(material, RSAPublicKey):
            require_strong_rsa(material)
        elif isinstance(material, Ed25519PublicKey):
            require_strong_ed25519(material)
        self.algorithms: Final = algorithms
        self.material: Final = material

    def __repr__(self) -> str:
        return f"Key(algorithms={self.algorithms!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Key):
            return NotImplemented
        return (self.algorithms, self.material) == (other.algorithms, other.material)

    def __hash__(self) -> int:
        return hash((self.algorithms, self.material))


Waiting = Callable[[], AbstractAsyncContextManager[None]]
"""Entered by a caller around its wait for the issuer; it refuses the wait by raising."""


class KeySource(Protocol):
    """A source of verification keys; `state` is `ok`, `stale` or `missing`."""

    state: str

    async def candidates(self, kid: str | None, waiting: Waiting = nullcontext, /) -> Sequence[Key]:
        """Return the keys to try for a token with this `kid`, likeliest first.

        A wait for the keys is made inside of `waiting`, whose errors pass through.
        """

    async def keep_fresh(self) -> None:
        """Refresh the keys until cancelled."""


class StaticKeys:
    """Configured keys, in the order to try them. They have no ids, so `kid` is ignored."""

    state = "ok"

    def __init__(self, keys: Sequence[Key]) -> None:
        self.replace(keys)

    def replace(self, keys: Sequence[Key]) -> None:
        """Replace all keys."""
        self._keys = tuple(keys)

    async def candidates(
        self, _kid: str | None, _waiting: Waiting = nullcontext, /
    ) -> Sequence[Key]:
        """Return all keys, without a wait."""
        return self._keys

    async def keep_fresh(self) -> None:
        """Return at once: `replace` brings other keys."""


def hmac_key(secret: bytes, algorithms: Sequence[str] | None = None) -> Key:
    """Make the key for `secret`, for HS256 unless `algorithms` are given.

    Raises ValueError, with advice, for an unusable secret or algorithm.
    """
    return _key(secret, algorithms)


def public_key(pem: bytes, algorithms: Sequence[str] | None = None) -> Key:
    """Make the key for a PEM public key: RSA, P-256, P-384, P-521 or Ed25519.

    Its default algorithm is RS256, the curve's ES algorithm, or EdDSA.
    Raises ValueError, with advice, for an unusable key or algorithm.
    """
    return _key(_parsed(pem), algorithms)


def _key(material: bytes | PublicKey, algorithms: Sequence[str] | None) -> Key:
    chosen = fitting(material)[:1] if algorithms is None else algorithms
    return Key(frozenset(chosen), material)


def fitting(material: bytes | PublicKey) -> tuple[str, ...]:
    """Return the algorithms that suit `material`, its default first."""
    if isinstance(material, bytes):
        return tuple(_SECRET_BYTES)
    if isinstance(material, RSAPublicKey):
        return _RSA
    if isinstance(material, Ed25519PublicKey):
        return _EDWARDS
    if material.curve.name in _CURVES:
        return (_CURVES[material.curve.name],)
    raise ValueError("The key's curve is not supported; use P-256, P-384 or P-521.")


def _require_known(algorithms: frozenset[str]) -> None:
    if not algorithms or not algorithms <= ALGORITHMS:
        raise ValueError(f"The algorithm is unknown; use {', '.join(sorted(ALGORITHMS))}.")


def _require_fit(algorithms: frozenset[str], material: bytes | PublicKey) -> None:
    able = fitting(material)
    wrong = sorted(algorithms.difference(able))
    if not wrong:
        return
    advice = f"use {' or '.join(able)}."
    if not isinstance(material, bytes) and not _SECRET_BYTES.keys().isdisjoint(wrong):
        raise ValueError(f"With {wrong[0]} and a public key anyone could sign; {advice}")
    raise ValueError(f"{', '.join(wrong)} cannot be used with this type of key; {advice}")


def _require_secret(secret: bytes, length: int) -> None:
    if len(secret) < length:
        raise ValueError(f"The secret is too short; use at least {length} random bytes.")
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)  # PyJWT checks this at every token
    except InvalidKeyError:
        raise ValueError(
            "The secret is a key file, a certificate or a JWK; use random bytes."
        ) from None


def _parsed(pem: bytes) -> PublicKey:
    if b"PRIVATE KEY-----" in pem:
        raise ValueError(
            "This is a private key; use its public part: openssl pkey -in FILE -pubout."
        )
    if b"CERTIFICATE-----" in pem:
        raise ValueError(
            "This is a certificate; use its public key: openssl x509 -in FILE -noout -pubkey."
        )
    if pem.count(b"-----BEGIN ") != 1:
        raise ValueError("Give one public key as PEM: -----BEGIN PUBLIC KEY-----.")
    try:
        key = load_pem_public_key(pem)
    except UnsupportedAlgorithm:
        key = None
    except ValueError:  # the cause may quote the text
        raise ValueError("The PEM text cannot be read; export the public key again.") from None
    if isinstance(key, PublicKey):
        return key
    raise ValueError("The key's type is not supported; use RSA, P-256, P-384, P-521 or Ed25519.")
