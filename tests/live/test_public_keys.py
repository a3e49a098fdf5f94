"""A gateway that holds only a public key verifies what the private key signed."""

import hmac
import json
import time
from base64 import urlsafe_b64encode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests import clients
from tests.conftest import running_sandbox

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def private_key(algorithm: str) -> PrivateKey:
    """Make a key for `algorithm`."""
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def confused(claims: dict[str, object], pem: bytes) -> str:
    """Return a token signed by HMAC with the public key's text, which everyone knows."""
    parts = [{"alg": "HS256", "typ": "JWT"}, claims]
    text = b".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = urlsafe_b64encode(hmac.digest(pem, text, "sha256")).rstrip(b"=")
    return (text + b"." + signature).decode()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_tokens_of_the_private_key_are_verified(algorithm: str) -> None:
    """The right key is accepted; another key, and HMAC with the public text, are not."""
    ours, other = private_key(algorithm), private_key(algorithm)
    pem = ours.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = {"sub": "alice", "exp": time.time() + 60}
    with (
        running_sandbox(environ={"GATEWAY_JWT_PUBLIC_KEY": pem.decode()}) as sandbox,
        clients.client(sandbox.url) as client,
    ):
        rows = [
            (jwt.encode(claims, ours, algorithm=algorithm), 201),
            (jwt.encode(claims, other, algorithm=algorithm), 401),
            (confused(claims, pem), 401),
        ]
        for token, status in rows:
            headers = {"Authorization": f"Bearer {token}"}
            response = client.post("/v1/rooms", json={"title": "t"}, headers=headers)
            assert response.status_code == status
