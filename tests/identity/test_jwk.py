import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity import Key, StaticKeys
from gateway.identity.jwk import key_from_jwk
from gateway.identity.tokens import signed_payload
from gateway.rooms import TokenInvalid
from tests.identity.published import (
    CANARY,
    JSON,
    MEMBERS,
    SECRET,
    Jwk,
    decoded,
    encoded,
    jwk_of,
    reason_against,
    text_of,
)

Jwks = Mapping[str, Jwk]
Sign = Callable[[str, Any, Any], str]

RFC_7515_A1 = (
    {
        "kty": "oct",
        "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0i"
        "PS4hcgUuTwjAzZr1Z9CAow",
    },
    (
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQog"
        "Imh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    ),
)
RFC_7515_A3 = (
    {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    },
    (
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl"
        "LmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
        "pmWQxfKTUJqPP3-Kg6NU1Q"
    ),
)
RFC_8037_A4 = (
    {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    (
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PG"
        "cvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    ),
)

USE = "Its `use` is not for signatures."
OPERATIONS = "Its `key_ops` do not include `verify`."
ALG = "Its `alg` is not supported."
FIT = "Its `alg` does not suit its type."
KIND = "Its `kty` is not supported."
PRIVATE = "It is a private key."
UNREADABLE = "It cannot be read."

FIELD = 2**255 - 19

WORDS = st.sampled_from(
    ["RSA", "EC", "OKP", "oct", "sig", "enc", "P-256", "Ed25519", "secp256k1", "ES256", "AQAB", ""]
)


@pytest.mark.parametrize(("jwk", "token"), [RFC_7515_A1, RFC_7515_A3, RFC_8037_A4])
def test_examples_of_the_rfcs(jwk: dict[str, Any], token: str) -> None:
    """The RFCs' keys are read and accept the RFCs' signatures and no others."""
    assert accepted(token, key_from_jwk(jwk))
    assert not accepted(token[:-2] + "AA", key_from_jwk(jwk))


@pytest.mark.parametrize("alg", ["RS256", "PS384", "ES256", "ES384", "ES512", "EdDSA"])
def test_key_verifies_what_its_private_part_signed(jwks: Jwks, sign: Sign, alg: str) -> None:
    """A key of every type with an `alg` verifies that algorithm and no other."""
    key = key_from_jwk({**jwks[alg], "alg": alg, "use": "sig", "kid": "any"})
    assert key.algorithms == {alg}
    assert accepted(sign(alg, {"alg": alg}, {}), key)
    for other in jwks.keys() - {alg}:
        assert not accepted(sign(other, {"alg": other}, {}), key)


@pytest.mark.parametrize(
    ("alg", "chosen", "able"),
    [
        ("RS256", None, {"RS256"}),
        ("RS256", ["PS256", "RS512", "ES256"], {"PS256", "RS512"}),
        ("ES384", None, {"ES384"}),
        ("EdDSA", ["EdDSA", "RS256"], {"EdDSA"}),
    ],
)
def test_algorithms_of_a_key_that_names_none(
    jwks: Jwks, alg: str, chosen: list[str] | None, able: set[str]
) -> None:
    """A key without `alg` gets its type's default, or the suitable accepted algorithms."""
    assert key_from_jwk(jwks[alg], chosen).algorithms == able


@pytest.mark.parametrize(
    ("alg", "changes", "reason"),
    [
        ("RS256", {"use": "enc"}, USE),
        ("RS256", {"use": ""}, USE),
        ("RS256", {"use": None}, USE),
        ("RS256", {"use": ["sig"]}, USE),
        ("ES256", {"key_ops": ["encrypt"]}, OPERATIONS),
        ("ES256", {"key_ops": ["sign"]}, OPERATIONS),
        ("ES256", {"key_ops": []}, OPERATIONS),
        ("ES256", {"key_ops": "verify"}, OPERATIONS),
        ("ES256", {"key_ops": {"verify": 1}}, OPERATIONS),
        ("ES256", {"key_ops": None}, OPERATIONS),
        ("RS256", {"alg": "none"}, ALG),
        ("RS256", {"alg": "RSA-OAEP"}, ALG),
        ("RS256", {"alg": "rs256"}, ALG),
        ("ES256", {"alg": "ES224"}, ALG),
        ("ES256", {"alg": "ES521"}, ALG),
        ("ES256", {"alg": None}, ALG),
        ("ES256", {"alg": ["ES256"]}, ALG),
        ("RS256", {"alg": "HS256"}, FIT),
        ("RS256", {"alg": "ES256"}, FIT),
        ("ES256", {"alg": "ES384"}, FIT),
        ("ES256", {"alg": "EdDSA"}, FIT),
        ("EdDSA", {"alg": "RS256"}, FIT),
        ("RS256", {"kty": "rsa"}, KIND),
        ("RS256", {"kty": "AKP"}, KIND),
        ("RS256", {"kty": None}, KIND),
        ("RS256", {"kty": ["RSA"]}, KIND),
        ("ES256", {"kty": "RSA"}, UNREADABLE),
        ("ES256", {"kty": "OKP"}, UNREADABLE),
        ("RS256", {"kty": "EC"}, UNREADABLE),
        ("RS256", {"kty": "oct"}, UNREADABLE),
        ("RS256", {"n": ""}, UNREADABLE),
        ("RS256", {"n": 7}, UNREADABLE),
        ("RS256", {"n": "\u00e9"}, UNREADABLE),
        ("RS256", {"e": "AQ"}, UNREADABLE),
        ("RS256", {"e": "Ag"}, UNREADABLE),
        ("RS256", {"e": "AQAA"}, UNREADABLE),
        ("RS256", {"e": ""}, UNREADABLE),
        ("RS256", {"e": 65537}, UNREADABLE),
        ("ES256", {"crv": "P-384"}, UNREADABLE),
        ("ES256", {"crv": "Ed25519"}, UNREADABLE),
        ("ES256", {"crv": None}, UNREADABLE),
        ("ES256", {"x": "AQ"}, UNREADABLE),
        ("ES256", {"x": "A" * 43}, UNREADABLE),
        ("ES256", {"y": "_" * 42 + "8"}, UNREADABLE),
        ("ES256", {"x": "A" * 43, "y": "A" * 43}, UNREADABLE),
        ("EdDSA", {"crv": "P-256"}, UNREADABLE),
        ("EdDSA", {"crv": "X25519"}, UNREADABLE),
        ("EdDSA", {"x": "AQ"}, UNREADABLE),
        ("EdDSA", {"x": None}, UNREADABLE),
    ],
)
def test_key_that_cannot_be_used(
    jwks: Jwks, alg: str, changes: Mapping[str, Any], reason: str
) -> None:
    """A key's own restrictions bind; an unusable key is refused with a constant reason."""
    with pytest.raises(ValueError, match=r"^") as refused:
        key_from_jwk({**jwks[alg], **changes})
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("alg", "member"),
    [
        *(("RS256", "n"), ("RS256", "e"), ("ES256", "crv"), ("ES256", "x"), ("ES256", "y")),
        *(("EdDSA", "crv"), ("EdDSA", "x")),
    ],
)
def test_missing_member(jwks: Jwks, alg: str, member: str) -> None:
    """A key without one of its required members is refused."""
    with pytest.raises(ValueError, match=UNREADABLE):
        key_from_jwk({name: value for name, value in jwks[alg].items() if name != member})


def test_secret() -> None:
    """A symmetric key is for HS256 unless its `alg` differs, and must be long enough for it."""
    assert key_from_jwk(SECRET) == Key(frozenset({"HS256"}), CANARY.encode())
    assert key_from_jwk({**SECRET, "alg": "HS384"}).algorithms == {"HS384"}
    for changes, reason in (
        ({"alg": "HS512"}, "too short; use at least 64"),
        ({"k": "Zm9v"}, "too short; use at least 32"),
        ({"k": ""}, UNREADABLE),
        ({"k": None}, UNREADABLE),
        ({"alg": "A256GCM"}, ALG),
        ({"alg": "RS256"}, FIT),
        ({"use": "enc"}, USE),
    ):
        with pytest.raises(ValueError, match=reason):
            key_from_jwk({**SECRET, **changes})


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth"])
@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_private_key(jwks: Jwks, alg: str, member: str) -> None:
    """A key with any private member is refused."""
    with pytest.raises(ValueError, match=PRIVATE):
        key_from_jwk({**jwks[alg], member: CANARY})


@pytest.mark.parametrize("bits", [1024, 2040])
def test_short_rsa(bits: int) -> None:
    """An RSA key under 2048 bits is refused."""
    with pytest.raises(ValueError, match="RSA key is too short"):
        key_from_jwk(jwk_of(rsa.generate_private_key(65537, bits), "RS256"))


def test_weak_rsa(jwks: Jwks) -> None:
    """An RSA modulus that is even, has a small factor or the ROCA fingerprint is refused."""
    strong = int.from_bytes(decoded(jwks["RS256"]["n"]))
    for modulus, reason in (
        (strong + 1, "small factor"),
        (strong * 163, "small factor"),
        (roca_modulus(), "ROCA"),
    ):
        with pytest.raises(ValueError, match=reason):
            key_from_jwk({**jwks["RS256"], "n": encoded(modulus)})


@pytest.mark.parametrize(
    "y",
    [
        *(0, 1, FIELD - 1, FIELD, FIELD + 1),
        2707385501144840649318225287225658788936804267575313519463743609750303402022,
        55188659117513257062467267217118295137698188065244968500265048394206261417927,
    ],
)
@pytest.mark.parametrize("sign_of_x", [0, 1])
def test_point_of_small_order(jwks: Jwks, y: int, sign_of_x: int) -> None:
    """An Ed25519 point of small order is refused in every encoding."""
    spelled = (y | sign_of_x << 255).to_bytes(32, "little")
    with pytest.raises(ValueError, match="small order"):
        key_from_jwk({**jwks["EdDSA"], "x": text_of(spelled)})


def test_small_order_is_a_danger() -> None:
    """OpenSSL accepts one forged signature for every text under the neutral point."""
    neutral = (1).to_bytes(32, "little")
    key = ed25519.Ed25519PublicKey.from_public_bytes(neutral)
    for text in (b"a", b"b"):
        key.verify(neutral + bytes(32), text)


def test_other_curves(jwks: Jwks) -> None:
    """Curves without a supported algorithm are refused, Ed25519's relatives too."""
    secp256k1 = jwk_of(ec.generate_private_key(ec.SECP256K1()), "ES256")
    with pytest.raises(ValueError, match="curve is not supported"):
        key_from_jwk(secp256k1)
    for private, crv in (
        (ed448.Ed448PrivateKey.generate(), "Ed448"),
        (x25519.X25519PrivateKey.generate(), "X25519"),
    ):
        raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        with pytest.raises(ValueError, match=r"^(?!.*canary).+\.$"):
            key_from_jwk({**jwks["EdDSA"], "crv": crv, "x": text_of(raw)})


@given(
    alg=st.sampled_from(["RS256", "ES256", "EdDSA"]),
    changes=st.dictionaries(st.sampled_from(MEMBERS), WORDS | JSON, min_size=1),
)
def test_any_members(jwks: Jwks, alg: str, changes: Mapping[str, Any]) -> None:
    """Any members make a key or a ValueError with one of our messages."""
    assert reason_against(lambda: key_from_jwk({**jwks[alg], **changes}))[-1:] in {"", "."}


def accepted(token: str, key: Key) -> bool:
    """Return true if `key` made the signature of `token`."""
    try:
        asyncio.run(signed_payload(token, StaticKeys([key])))
    except TokenInvalid:
        return False
    return True


def roca_modulus() -> int:
    """Return a modulus with the fingerprint: a power of 65537 modulo the primes' product."""
    primes = [number for number in range(2, 168) if all(number % less for less in range(2, number))]
    product = 1
    for prime in primes:
        product *= prime
    return int(pow(65537, 12345, product)) + product * (1 << 1850)
