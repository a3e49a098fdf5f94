"""Weak public keys, refused. Pure.

RSA keys are refused for:
- fewer than 2048 bits (RFC 7518 §3.3);
- a modulus with a small prime factor;
- the fingerprint of the broken generator of CVE-2017-15361 ("ROCA"): modulo each small prime, the
  modulus is a power of 65537. One sound key in 240 million has it too.
`cryptography` itself refuses an even exponent or one below 3.

Ed25519 keys are refused for a point of small order. Anybody can forge a signature for such a key,
valid for every text or for one in a few. RFC 8032 and OpenSSL leave this check to us.
"""

from math import gcd, prod

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_BITS = 2048
_LARGEST = 167
"""The largest prime of the published fingerprint."""

_FIELD = 2**255 - 19
_ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022
_SMALL_ORDER = frozenset({0, 1, _FIELD - 1, _ORDER_8, _FIELD - _ORDER_8})
"""The y coordinates of all points with an order that divides 8, for either sign of x."""


def require_strong_rsa(key: RSAPublicKey) -> None:
    """Raise ValueError, with advice, for a weak key."""
    modulus = key.public_numbers().n
    if key.key_size < _BITS:
        raise ValueError(f"The RSA key is too short; use one of at least {_BITS} bits.")
    if gcd(modulus, _PRODUCT) != 1:
        raise ValueError("The RSA key has a small factor; make another.")
    if all(modulus % prime in powers for prime, powers in _FINGERPRINT):
        raise ValueError("The RSA key was made by a broken generator (ROCA); make another.")


def require_strong_ed25519(key: Ed25519PublicKey) -> None:
    """Raise ValueError, with advice, for a weak key."""
    point = int.from_bytes(key.public_bytes_raw(), "little")
    y = point & ((1 << 255) - 1)  # the last bit is the sign of x
    if y % _FIELD in _SMALL_ORDER:
        raise ValueError("The Ed25519 key is a point of small order; make another.")


def _powers_of_65537(prime: int) -> frozenset[int]:
    return frozenset(pow(65537, exponent, prime) for exponent in range(prime - 1))


_PRIMES = tuple(
    number
    for number in range(2, _LARGEST + 1)
    if all(number % smaller for smaller in range(2, number))
)
_PRODUCT = prod(_PRIMES)
_FINGERPRINT = tuple((prime, _powers_of_65537(prime)) for prime in _PRIMES)
