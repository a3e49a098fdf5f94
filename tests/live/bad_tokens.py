"""Tokens that must be refused, for each row of the threats, signed as well as they can be.

What is wrong with a token is only what its row says: it is signed with the right key, unless the
signature is the point, and all its claims are good, unless one of them is.
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
"""Which threat, and a token."""

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
    """Return T1 to T6; `elsewhere` is a URL that nobody may be made to ask."""
    good = issuer.with_header()
    header, payload, signature = good.split(".")
    for alg in ("none", "None", "nOnE", "", None, 0, ["none"], [issuer.algorithm]):
        yield "T1", issuer.with_header(alg=alg)
    yield "T1", f"{segment({'alg': 'none'})}.{payload}."
    jwk = get_default_algorithms()[issuer.algorithm].to_jwk(issuer.key.public_key())
    for secret in (issuer.public(Encoding.PEM), issuer.public(Encoding.DER), jwk.encode()):
        text = f"{segment({'alg': 'HS256'})}.{payload}"
        yield "T2", f"{text}.{segment(hmac.digest(secret, text.encode(), 'sha256'))}"
    for kid in ("../../etc/passwd", "' OR 1=1 --", "a\x00b", "k" * 7000, 7, None):
        yield "T3", issuer.with_header(kid=kid)
    for fetched in ({"jku": elsewhere}, {"x5u": elsewhere}, {"x5c": ["MIIB"]}):
        yield "T4", issuer.with_header(**fetched)
    yield "T4", issuer.with_header(jwk=json.loads(jwk))
    yield "T5", issuer.with_header(crit=["exp"])
    yield "T5", issuer.with_header(b64=False, crit=["b64"])
    for changes in ({"typ": "dpop+jwt"}, {"typ": 1}, {"cty": "JWT"}, {"zip": "DEF"}, {"enc": "x"}):
        yield "T6", issuer.with_header(**changes)
    yield "T6", f"{good}.x"
    yield "T6", f"{good}.x.y"
    yield "T6", json.dumps({"protected": header, "payload": payload, "signature": signature})


def bad_payloads(issuer: Issuer, now: float) -> Iterator[Row]:
    """Return tokens with bad claims, for a gateway that checks issuer, audience and `sub`."""
    for exp in (..., None, str(now + 60), now - 60, 1e300, 10**400, True):
        yield "T7", issuer.with_claims(exp=exp)
    for name in ("nbf", "iat"):
        yield "T7", issuer.with_claims(**{name: now + 60})
    audience, issued_by = issuer.claims["aud"], issuer.claims["iss"]
    for aud in (..., [audience[:-1]], audience[:-1], {audience: 1}, [], [audience, 1]):
        yield "T8", issuer.with_claims(aud=aud)
    for iss in (..., [issued_by], issued_by[:-1], issued_by + "/"):
        yield "T8", issuer.with_claims(iss=iss)
    for sub in (..., "", "a\nb", "\ud800", 7, ["alice"], "a" * 65):
        yield "T9", issuer.with_claims(sub=sub)
    text = json.dumps(issuer.claims)
    twice = text.replace("{", '{"sub": "bob", ')
    for payload in (text.encode("utf-16"), JSON_BOM + text.encode(), b"\xff", twice.encode()):
        yield "T10", issuer.with_payload(payload)
    yield "T11", issuer.with_claims(pad="x" * 7000)
    for nested in (b"[" * 5000, b'{"a":' * 1000):
        yield "T12", issuer.with_payload(nested)


def bad_signatures(issuer: Issuer) -> Iterator[Row]:
    """Return tokens with bad signatures: of another key, over another text, or cut short."""
    text, _, signature = issuer.with_header().rpartition(".")
    zero, one = bytes(32), bytes(31) + b"\x01"
    for forged in (zero + zero, zero + one, one + zero, one + one, zero, b"\x00" * 256):
        yield "T14", f"{text}.{segment(forged)}"
    yield "T14", Issuer.of(issuer.algorithm, issuer.claims).with_header()
    yield "T14", f"{text}.{issuer.with_claims(sub='bob').rpartition('.')[2]}"
    yield "T14", f"{text}.{signature[:-4]}"
