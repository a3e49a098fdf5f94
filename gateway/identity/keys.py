"""The keys tokens are verified with, and which algorithms each may be used for.

- A key carries its algorithms: the token's `alg` picks among them and can never pick another.
  That is what stops a token signed with HS256 over the text of a public key (RFC 8725 §3.1).
- A `Key` that cannot work does not exist: an algorithm that does not fit, a secret shorter than the
  hash (RFC 7518 §3.2), RSA under 2048 bits (§3.3) are refused when it is made, at start.
- What is refused is said in a sentence for the operator. No sentence holds any of the key, or of
  a name that is not a known algorithm, since secrets get pasted into the wrong setting.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NoReturn, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import InvalidKeyError
from jwt.algorithms import HMACAlgorithm

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_SECRET_BYTES = MappingProxyType({"HS256": 32, "HS384": 48, "HS512": 64})
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_RSA_BITS = 2048
_CURVES = MappingProxyType({"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"})
_EDWARDS = ("EdDSA",)

ALGORITHMS = frozenset((*_SECRET_BYTES, *_RSA, *_CURVES.values(), *_EDWARDS))
"""Every algorithm a token may be signed with. `none` is not one."""


@dataclass(frozen=True, slots=True)
class Key:
    """An HMAC secret or a public key, and the algorithms it may verify.

    Raises ValueError, saying what to do, for a key that is too weak or does not fit them.
    A dataclass because a msgspec Struct shows every field to `rich`, whatever its repr says.
    """

    algorithms: frozenset[str]
    material: bytes | PublicKey = field(repr=False)

    def __post_init__(self) -> None:
        _require_known(self.algorithms)
        _require_fit(self.algorithms, self.material)
        if isinstance(self.material, bytes):
            _require_secret(self.material, max(_SECRET_BYTES[name] for name in self.algorithms))
        elif isinstance(self.material, RSAPublicKey) and self.material.key_size < _RSA_BITS:
            raise ValueError(f"The RSA key is too short; use one of at least {_RSA_BITS} bits.")

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key is not pickled.")


class KeySource(Protocol):
    """Where verification keys come from."""

    async def candidates(self, kid: str | None, /) -> Sequence[Key]:
        """Return the keys a token whose header names `kid` may be signed with, likeliest first."""


class StaticKeys:
    """Keys known from the start, in the order to try them. They have no ids: `kid` is ignored."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = tuple(keys)

    async def candidates(self, _kid: str | None, /) -> Sequence[Key]:
        """Return all keys."""
        return self._keys


def hmac_key(secret: bytes, algorithms: Sequence[str] | None = None) -> Key:
    """Return the key for `secret`, for HS256 unless `algorithms` says otherwise.

    Raises ValueError, saying what to do, for a secret or an algorithm that cannot be used.
    """
    return _key(secret, algorithms)


def public_key(pem: bytes, algorithms: Sequence[str] | None = None) -> Key:
    """Return the key for a PEM public key: RSA, P-256, P-384, P-521 or Ed25519.

    Without `algorithms` it is used for RS256, the curve's ES algorithm, or EdDSA.
    Raises ValueError, saying what to do, for a key or an algorithm that cannot be used.
    """
    return _key(_parsed(pem), algorithms)


def _key(material: bytes | PublicKey, algorithms: Sequence[str] | None) -> Key:
    chosen = fitting(material)[:1] if algorithms is None else algorithms
    return Key(frozenset(chosen), material)


def fitting(material: bytes | PublicKey) -> tuple[str, ...]:
    """Return the algorithms `material` can be used with, its default first."""
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
        raise ValueError(f"Name algorithms out of {', '.join(sorted(ALGORITHMS))}.")


def _require_fit(algorithms: frozenset[str], material: bytes | PublicKey) -> None:
    able = fitting(material)
    wrong = sorted(algorithms.difference(able))
    if not wrong:
        return
    advice = f"use {' or '.join(able)}."
    if not isinstance(material, bytes) and not _SECRET_BYTES.keys().isdisjoint(wrong):
        raise ValueError(f"A public key is no secret, {wrong[0]} would let anyone sign; {advice}")
    raise ValueError(f"{', '.join(wrong)} cannot be used with this kind of key; {advice}")


def _require_secret(secret: bytes, length: int) -> None:
    if len(secret) < length:
        raise ValueError(f"The secret is too short; use at least {length} random bytes.")
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)  # what PyJWT asks at every token
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
    except ValueError:  # its text is not ours to promise anything about
        raise ValueError("The PEM text cannot be read; export the public key again.") from None
    if isinstance(key, PublicKey):
        return key
    raise ValueError("The key's kind is not supported; use RSA, P-256, P-384, P-521 or Ed25519.")
