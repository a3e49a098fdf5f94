"""Tokens that must be refused, a row of them for each part of a token.

A token is bad in its row alone. Else it has the right signature and good claims.
"""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

Row = tuple[str, str]
"""The bad part of a token, and the token."""

JSON_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Issuer:
    """Signs anything, as whoever has the key could."""

    algorithm: str
    key: PrivateKey
    claims: Mapping[str, Any]

    @classmethod
    def of(cls, algorithm: str, claims: Mapping[str, Any]) -> "Issuer":
        """Make an issuer with a new key."""
        if algorithm == "RS256":
            return cls(algorithm, rsa.generate_private_key(65537, 2048), claims)
        if algorithm == "ES256":
            return cls(algorithm, ec.generate_private_key(ec.SECP256R1()), claims)
        return cls(algorithm, ed25519.Ed25519PrivateKey.generate(), claims)

    def public(self, encoding: Encoding) -> bytes:
        """Return the public key."""
        return self.key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)

    def signed(self, text: str) -> str:
        """Return two segments with the signature over them."""
        signer = get_default_algorithms()[self.algorithm]
        return f"{text}.{segment(signer.sign(text.encode(), self.key))}"

    def with_header(self, **changes: object) -> str:
        """Return a token with good claims and another header."""
        header = {"alg": self.algorithm, "typ": "JWT", **changes}
        return self.signed(f"{segment(header)}.{segment(self.claims)}")

    def with_payload(self, payload: object) -> str:
        """Return a token with a good header and another payload."""
        return self.signed(f"{segment({'alg': self.algorithm})}.{segment(payload)}")

    def with_claims(self, **changes: object) -> str:
        """Return a token with other claims; `...` leaves one out."""
        claims = {**self.claims, **changes}
        return self.with_payload({name: value for name, value in claims.items() if value != ...})


def segment(part: object) -> str:
    """Return one segment of a token."""
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return urlsafe_b64encode(data).decode().rstrip("=")


def bad_headers(issuer: Issuer, elsewhere: str) -> Iterator[Row]:
    """Return tokens with bad headers; `elsewhere` is a URL that must not be fetched."""
    good = issuer.with_header()
    header, payload, signature = good.split(".")
    for alg in ("none", "None", "nOnE", "", None, 0, ["none"], [issuer.algorithm]):
        yield "algorithm", issuer.with_header(alg=alg)
    yield "algorithm", f"{segment({'alg': 'none'})}.{payload}."
    jwk = get_default_algorithms()[issuer.algorithm].to_jwk(issuer.key.public_key())
    for secret in (issuer.public(Encoding.PEM), issuer.public(Encoding.DER), jwk.encode()):
        text = f"{segment({'alg': 'HS256'})}.{payload}"
        yield "confused key", f"{text}.{segment(hmac.digest(secret, text.encode(), 'sha256'))}"
    for kid in ("../../etc/passwd", "' OR 1=1 --", "a\x00b", "k" * 7000, 7, None):
        yield "key id", issuer.with_header(kid=kid)
    for fetched in ({"jku": elsewhere}, {"x5u": elsewhere}, {"x5c": ["MIIB"]}):
        yield "key in the header", issuer.with_header(**fetched)
    yield "key in the header", issuer.with_header(jwk=json.loads(jwk))
    yield "crit", issuer.with_header(crit=["exp"])
    yield "crit", issuer.with_header(b64=False, crit=["b64"])
    for changes in ({"typ": "dpop+jwt"}, {"typ": 1}, {"cty": "JWT"}, {"zip": "DEF"}, {"enc": "x"}):
        yield "another kind", issuer.with_header(**changes)
    yield "another kind", f"{good}.x"
    yield "another kind", f"{good}.x.y"
    yield (
        "another kind",
        json.dumps({"protected": header, "payload": payload, "signature": signature}),
    )


def bad_payloads(issuer: Issuer, now: float) -> Iterator[Row]:
    """Return tokens with bad claims, for a gateway that checks issuer, audience and `sub`."""
    for exp in (..., None, str(now + 60), now - 60, 1e300, 10**400, True):
        yield "times", issuer.with_claims(exp=exp)
    for name in ("nbf", "iat"):
        yield "times", issuer.with_claims(**{name: now + 60})
    audience, issued_by = issuer.claims["aud"], issuer.claims["iss"]
    for aud in (..., [audience[:-1]], audience[:-1], {audience: 1}, [], [audience, 1]):
        yield "issuer or audience", issuer.with_claims(aud=aud)
    for iss in (..., [issued_by], issued_by[:-1], issued_by + "/"):
        yield "issuer or audience", issuer.with_claims(iss=iss)
    for sub in (..., "", "a\nb", "\ud800", 7.0, True, ["alice"], "a" * 129):
        yield "subject", issuer.with_claims(sub=sub)
    text = json.dumps(issuer.claims)
    twice = text.replace("{", '{"sub": "bob", ')
    for payload in (text.encode("utf-16"), JSON_BOM + text.encode(), b"\xff", twice.encode()):
        yield "encoding", issuer.with_payload(payload)
    yield "length", issuer.with_claims(pad="x" * 7000)
    for nested in (b"[" * 5000, b'{"a":' * 1000):
        yield "nesting", issuer.with_payload(nested)


def bad_signatures(issuer: Issuer) -> Iterator[Row]:
    """Return tokens with bad signatures: of another key, over another text, or cut short."""
    text, _, signature = issuer.with_header().rpartition(".")
    zero, one = bytes(32), bytes(31) + b"\x01"
    for forged in (zero + zero, zero + one, one + zero, one + one, zero, b"\x00" * 256):
        yield "signature", f"{text}.{segment(forged)}"
    yield "signature", Issuer.of(issuer.algorithm, issuer.claims).with_header()
    yield "signature", f"{text}.{issuer.with_claims(sub='bob').rpartition('.')[2]}"
    yield "signature", f"{text}.{signature[:-4]}"
