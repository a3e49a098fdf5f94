"""What makes a public key too weak to trust a signature made with it. Pure.

RSA:
- Under 2048 bits: RFC 7518 §3.3.
- A modulus with a small factor is no product of two large primes.
- Made by the broken generator of CVE-2017-15361 ("ROCA"), found by its fingerprint: modulo each
  small prime the modulus is a power of 65537. One sound key in 240 million looks like that too.
- An even exponent, and one below 3, is refused by `cryptography` when it reads the key.

Ed25519: a point of small order. For the neutral one, anybody can make a signature that fits every
text; for the others, one that fits every few. RFC 8032 leaves that to us, and so does OpenSSL.
"""

from math import gcd, prod

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_BITS = 2048
_LARGEST = 167
"""The largest prime of the fingerprint that the discoverers published."""

_FIELD = 2**255 - 19
_ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022
_SMALL_ORDER = frozenset({0, 1, _FIELD - 1, _ORDER_8, _FIELD - _ORDER_8})
"""The y of each point whose order divides 8. With either sign of x it is one of them."""


def require_strong_rsa(key: RSAPublicKey) -> None:
    """Raise ValueError, saying what to do, for a weak key."""
    modulus = key.public_numbers().n
    if key.key_size < _BITS:
        raise ValueError(f"The RSA key is too short; use one of at least {_BITS} bits.")
    if gcd(modulus, _PRODUCT) != 1:
        raise ValueError("The RSA key has a small factor; make another.")
    if all(modulus % prime in powers for prime, powers in _FINGERPRINT):
        raise ValueError("The RSA key was made by a broken generator (ROCA); make another.")


def require_strong_ed25519(key: Ed25519PublicKey) -> None:
    """Raise ValueError, saying what to do, for a weak key."""
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
