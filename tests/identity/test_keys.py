import asyncio
import pickle
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from gateway.identity import Key, StaticKeys, hmac_key, public_key
from gateway.identity.keys import ALGORITHMS

HMAC = {"HS256", "HS384", "HS512"}
RSA = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
FITTING = {
    "HS256": HMAC,
    "RS256": RSA,
    "ES256": {"ES256"},
    "ES384": {"ES384"},
    "ES512": {"ES512"},
    "EdDSA": {"EdDSA"},
}
"""The algorithms that suit a key, by its default."""

NOT_ALGORITHMS = ["none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "ES256K", "RSA-OAEP"]
CANARY = b"canary0123456789canary0123456789"


@pytest.mark.parametrize("default", FITTING)
def test_default_algorithm(
    keys: Mapping[str, Key], pems: Mapping[str, bytes], default: str
) -> None:
    """A key without chosen algorithms gets exactly its type's default."""
    key = public_key(pems[default]) if default in pems else hmac_key(CANARY)
    assert key.algorithms == {default}
    assert type(key.material) is type(keys[default].material)


@given(
    default=st.sampled_from(sorted(FITTING)), chosen=st.sets(st.sampled_from(sorted(ALGORITHMS)))
)
def test_only_fitting_algorithms(
    signing_keys: Mapping[str, Any], pems: Mapping[str, bytes], default: str, chosen: set[str]
) -> None:
    """A key can be made exactly for a non-empty set of algorithms that suit its type."""
    fits = bool(chosen) and chosen <= FITTING[default]
    try:
        key = (
            public_key(pems[default], sorted(chosen))
            if default in pems
            else hmac_key(signing_keys["HS512"], sorted(chosen))
        )
    except ValueError:
        assert not fits
    else:
        assert fits
        assert key.algorithms == chosen


@pytest.mark.parametrize("default", sorted(FITTING.keys() - {"HS256"}))
def test_symmetric_beside_asymmetric(pems: Mapping[str, bytes], default: str) -> None:
    """A symmetric algorithm with a public key is refused with the danger named."""
    with pytest.raises(ValueError, match="With HS256 and a public key anyone could sign"):
        public_key(pems[default], [default, "HS256"])


@pytest.mark.parametrize("name", NOT_ALGORITHMS)
def test_unknown_algorithm(pems: Mapping[str, bytes], name: str) -> None:
    """An unknown algorithm, `none` included, is refused with the known ones listed."""
    with pytest.raises(ValueError, match="The algorithm is unknown; use ES256, "):
        hmac_key(CANARY * 2, ["HS256", name])
    with pytest.raises(ValueError, match="The algorithm is unknown; use ES256, "):
        public_key(pems["RS256"], [name])


@pytest.mark.parametrize(
    ("algorithms", "least"),
    [
        (None, 32),
        (["HS256"], 32),
        (["HS384"], 48),
        (["HS512"], 64),
        (["HS512", "HS256"], 64),
        (["HS384", "HS256"], 48),
    ],
)
def test_secret_length(algorithms: list[str] | None, least: int) -> None:
    """A secret needs at least as many bytes as the longest hash chosen."""
    hmac_key(b"x" * least, algorithms)
    with pytest.raises(ValueError, match=f"too short; use at least {least} random bytes"):
        hmac_key(b"x" * (least - 1), algorithms)


@pytest.mark.parametrize("form", ["pem", "der", "jwk"])
def test_secret_that_is_a_key_file(signing_keys: Mapping[str, Any], form: str) -> None:
    """A secret that PyJWT would refuse at every token is refused at startup."""
    public = signing_keys["RS256"].public_key()
    info = PublicFormat.SubjectPublicKeyInfo
    secret = {
        "pem": public.public_bytes(Encoding.PEM, info),
        "der": public.public_bytes(Encoding.DER, info),
        "jwk": b'{"kty": "oct", "k": "' + CANARY + b'"}',
    }[form]
    with pytest.raises(ValueError, match="key file, a certificate or a JWK"):
        hmac_key(secret)


def test_private_key(signing_keys: Mapping[str, Any]) -> None:
    """A private key in place of the public one is refused with advice."""
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        pem = signing_keys["RS256"].private_bytes(Encoding.PEM, form, NoEncryption())
        with pytest.raises(ValueError, match="private key; use its public part: openssl pkey"):
            public_key(pem)


def test_certificate(signing_keys: Mapping[str, Any], pems: Mapping[str, bytes]) -> None:
    """A certificate in place of the public key is refused, also with a key behind it."""
    pem = _certificate(signing_keys["ES256"])
    for text in (pem, pem + pems["ES256"]):
        with pytest.raises(ValueError, match="certificate; use its public key: openssl x509"):
            public_key(text)


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"", "Give one public key as PEM"),
        (CANARY, "Give one public key as PEM"),
        (b"\xff\x00", "Give one public key as PEM"),
        (b"-----BEGIN PUBLIC KEY-----\n" + CANARY, "cannot be read"),
        (
            b"-----BEGIN PUBLIC KEY-----\n" + CANARY + b"\n-----END PUBLIC KEY-----\n",
            "cannot be read",
        ),
    ],
)
def test_unreadable_pem(pem: bytes, reason: str) -> None:
    """Text without a public key is refused."""
    with pytest.raises(ValueError, match=reason):
        public_key(pem)


def test_two_pems(pems: Mapping[str, bytes]) -> None:
    """A text with two keys is refused, since the second would be ignored."""
    with pytest.raises(ValueError, match="Give one public key as PEM"):
        public_key(pems["RS256"] + pems["ES256"])


def test_short_rsa() -> None:
    """An RSA key under 2048 bits is refused."""
    with pytest.raises(ValueError, match="RSA key is too short; use one of at least 2048 bits"):
        public_key(_pem(rsa.generate_private_key(65537, 1024)))  # noqa: S505  # weak on purpose


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.SECP224R1(), ec.BrainpoolP256R1()])
def test_unsupported_curve(curve: ec.EllipticCurve) -> None:
    """An unsupported curve is refused, P-256's lookalike secp256k1 too."""
    with pytest.raises(ValueError, match="curve is not supported"):
        public_key(_pem(ec.generate_private_key(curve)))


def test_unknown_curve(signing_keys: Mapping[str, Any]) -> None:
    """A curve unknown to cryptography is refused too."""
    public = signing_keys["ES256"].public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    p256, prime239v3 = bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d030106")
    body = b64encode(der.replace(p256, prime239v3))
    with pytest.raises(ValueError, match="type is not supported"):
        public_key(b"-----BEGIN PUBLIC KEY-----\n%b\n-----END PUBLIC KEY-----\n" % body)


def test_unsupported_kind() -> None:
    """A key other than RSA, EC or Ed25519 is refused."""
    for key in (ed448.Ed448PrivateKey.generate(), x25519.X25519PrivateKey.generate()):
        with pytest.raises(ValueError, match="type is not supported"):
            public_key(_pem(key))


@pytest.mark.parametrize(
    ("secret", "algorithms"),
    [
        (CANARY[:31], None),
        (CANARY, ["HS512"]),
        (CANARY, ["RS256"]),
        (CANARY, [CANARY.decode()]),
        (b'{"kty": "oct", "k": "' + CANARY + b'"}', None),
    ],
)
def test_errors_hold_no_key(secret: bytes, algorithms: list[str] | None) -> None:
    """No message quotes the secret, not even one pasted as an algorithm."""
    with pytest.raises(ValueError, match=r"^(?!.*canary).+\.$"):
        hmac_key(secret, algorithms)


@pytest.mark.parametrize("show", [repr, str, pretty_repr, "{}".format])
def test_key_is_not_shown(keys: Mapping[str, Key], show: Any) -> None:
    """A key shows its algorithms and nothing of its material."""
    assert show(hmac_key(CANARY)) == "Key(algorithms=frozenset({'HS256'}))"
    assert show(keys["ES256"]) == "Key(algorithms=frozenset({'ES256'}))"


def test_key_is_not_pickled() -> None:
    """A key cannot be pickled, alone or inside a source."""
    for holder in (hmac_key(CANARY), StaticKeys([hmac_key(CANARY)])):
        with pytest.raises(TypeError, match="never pickled"):
            pickle.dumps(holder)


def test_key_is_checked_however_it_is_made(keys: Mapping[str, Key]) -> None:
    """A key made by its constructor meets the same rules."""
    with pytest.raises(ValueError, match="cannot be used with this type of key"):
        Key(frozenset({"RS256"}), keys["ES256"].material)


@pytest.mark.parametrize("kid", [None, "any"])
def test_static_keys(kid: str | None) -> None:
    """Static keys are all candidates, in the order given, for any `kid`."""
    first, second = hmac_key(CANARY), hmac_key(CANARY[::-1])
    assert asyncio.run(StaticKeys([first, second]).candidates(kid)) == (first, second)


def _pem(private: Any) -> bytes:
    text: bytes = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text


def _certificate(private: Any) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    return (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
        .sign(private, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
