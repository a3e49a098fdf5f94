"""Threats T2 and T14: forged signatures."""

import hmac
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from jwt.algorithms import get_default_algorithms

from gateway.identity import Key

Sign = Callable[[str, Any, Any], str]
Refusal = Callable[..., str]
Segment = Callable[[Any], str]
Claims = Mapping[str, Any]

ASYMMETRIC = ["RS256", "ES256", "EdDSA"]
KINDS = ["HS256", *ASYMMETRIC]

DIGESTS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}

NO_KEY = "no key for this alg and kid"
SIGNATURE = "signature does not match"


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
@pytest.mark.parametrize("alg", DIGESTS)
@pytest.mark.parametrize("form", ["pem", "pem stripped", "der", "jwk", "raw"])
def test_public_key_as_secret(
    keys: Mapping[str, Key],
    pems: Mapping[str, bytes],
    claims: Claims,
    segment: Segment,
    refusal: Refusal,
    algorithm: str,
    alg: str,
    form: str,
) -> None:
    """T2: HMAC with any text of the public key is refused, with HMAC keys configured too."""
    text = f"{segment({'alg': alg})}.{segment(claims)}"
    secret = _public_text(pems[algorithm], algorithm, form)
    token = f"{text}.{segment(hmac.digest(secret, text.encode(), DIGESTS[alg]))}"
    assert refusal(token, keys[algorithm]) == NO_KEY
    assert refusal(token, *keys.values()) == SIGNATURE


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_asymmetric_alg_for_a_secret(
    keys: Mapping[str, Key], sign: Sign, claims: Claims, refusal: Refusal, algorithm: str
) -> None:
    """T2, reversed: a well-signed asymmetric token is refused if only a secret is known."""
    assert refusal(sign(algorithm, {"alg": algorithm}, claims), keys["HS256"]) == NO_KEY


@pytest.mark.parametrize(("algorithm", "size"), [("ES256", 32), ("ES384", 48), ("ES512", 66)])
def test_degenerate_ecdsa(
    keys: Mapping[str, Key],
    sign: Sign,
    claims: Claims,
    segment: Segment,
    refusal: Refusal,
    algorithm: str,
    size: int,
) -> None:
    """T14: ECDSA signatures with r or s of 0, 1 or too large, or of wrong length, are refused."""
    token = sign(algorithm, {"alg": algorithm}, claims)
    text = token.rpartition(".")[0]
    zero, one, most = bytes(size), bytes(size - 1) + b"\x01", b"\xff" * size
    signatures = [r + s for r in (zero, one, most) for s in (zero, one, most)]
    for signature in (*signatures, zero, b"\x00", one * 3, b"0\x06\x02\x01\x00\x02\x01\x00"):
        assert refusal(f"{text}.{segment(signature)}", keys[algorithm]) == SIGNATURE


@pytest.mark.parametrize("algorithm", KINDS)
def test_degenerate_signature(
    keys: Mapping[str, Key],
    sign: Sign,
    claims: Claims,
    segment: Segment,
    refusal: Refusal,
    algorithm: str,
) -> None:
    """T14: zeros, a single byte and another token's signature are refused."""
    text = sign(algorithm, {"alg": algorithm}, claims).rpartition(".")[0]
    other = sign(algorithm, {"alg": algorithm}, {}).rpartition(".")[2]
    for signature in (other, *(segment(bytes(size)) for size in (1, 32, 64, 256, 512))):
        assert refusal(f"{text}.{signature}", keys[algorithm]) == SIGNATURE


def _public_text(pem: bytes, algorithm: str, form: str) -> bytes:
    public = load_pem_public_key(pem)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    jwk = get_default_algorithms()[algorithm].to_jwk(public)
    raw = der[-32:]
    texts = {"pem": pem, "pem stripped": pem.strip(), "der": der, "jwk": jwk.encode(), "raw": raw}
    return texts[form]
