"""Key material, made once a session, and a signer for arbitrary headers and payloads."""

import asyncio
import itertools
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

from gateway.identity import (
    ClaimRules,
    Identity,
    Key,
    KeySource,
    StaticKeys,
    TokenVerifier,
    hmac_key,
    public_key,
)
from gateway.rooms import TokenInvalid
from tests.identity.published import jwk_of


class NeverAsked:
    """A key source that must not be reached: the verifier's only way out."""

    async def candidates(self, kid: str | None, _: object = None, /) -> NoReturn:
        """Fail the test."""
        pytest.fail(f"keys were asked for, kid {kid!r}")


@pytest.fixture(scope="session")
def signing_keys() -> Mapping[str, Any]:
    """Return the signing keys by algorithm: bytes or a private key."""
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        **{f"HS{bits}": f"a secret of {bits} bits ".encode() * 4 for bits in (256, 384, 512)},
        **{f"{family}{bits}": rsa_key for family in ("RS", "PS") for bits in (256, 384, 512)},
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "ES384": ec.generate_private_key(ec.SECP384R1()),
        "ES512": ec.generate_private_key(ec.SECP521R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }


@pytest.fixture(scope="session")
def pems(signing_keys: Mapping[str, Any]) -> Mapping[str, bytes]:
    """Return the public keys as PEM, by asymmetric algorithm."""
    return {
        name: key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        for name, key in signing_keys.items()
        if not isinstance(key, bytes)
    }


@pytest.fixture(scope="session")
def jwks(signing_keys: Mapping[str, Any]) -> Mapping[str, dict[str, Any]]:
    """Return the public keys as JSON Web Keys, by asymmetric algorithm."""
    return {
        name: jwk_of(key, name) for name, key in signing_keys.items() if not isinstance(key, bytes)
    }


@pytest.fixture(scope="session")
def keys(signing_keys: Mapping[str, Any], pems: Mapping[str, bytes]) -> Mapping[str, Key]:
    """Return the verification keys by algorithm, each for that algorithm alone."""
    return {
        name: public_key(pems[name], [name]) if name in pems else hmac_key(material, [name])
        for name, material in signing_keys.items()
    }


@pytest.fixture(scope="session")
def sign(signing_keys: Mapping[str, Any]) -> Callable[[str, Any, Any], str]:
    """Return a signer of tokens: algorithm, any header, any payload → a well-signed token.

    A header or payload that is not bytes is written as JSON. The header may name another algorithm.
    """
    algorithms = get_default_algorithms()

    def signed(algorithm: str, header: Any, payload: Any) -> str:
        text = b".".join(_segment(part) for part in (header, payload))
        signature = algorithms[algorithm].sign(text, signing_keys[algorithm])
        return b".".join([text, _segment(signature)]).decode()

    return signed


@pytest.fixture(scope="session")
def segment() -> Callable[[Any], str]:
    """Return an encoder of one token segment, from bytes or as JSON, for handmade tokens."""
    return lambda part: _segment(part).decode()


@pytest.fixture(scope="session")
def claims() -> Mapping[str, Any]:
    """Return the claims of a good token, used at `iat` and valid for a minute."""
    return {
        "iss": "https://accounts.example",
        "aud": "live-app",
        "sub": "alice",
        "iat": 1_800_000_000,
        "exp": 1_800_000_060,
    }


@pytest.fixture(scope="session")
def rules() -> ClaimRules:
    """Return rules that require everything."""
    return ClaimRules(issuer="https://accounts.example", audience="live-app", leeway=10)


@pytest.fixture(scope="session")
def verify(claims: Mapping[str, Any], rules: ClaimRules) -> Callable[..., Identity]:
    """Return a verifier by keys or a key source, with its clock at the claims' `iat`."""

    def verified(token: str, *keys: Key, source: KeySource | None = None) -> Identity:
        clock = itertools.repeat(float(claims["iat"])).__next__
        verifier = TokenVerifier(source or StaticKeys(keys), rules, clock)
        return asyncio.run(verifier.verify(token))

    return verified


@pytest.fixture(scope="session")
def refusal(verify: Callable[..., Identity]) -> Callable[..., str]:
    """Return the reason for an invalid token; without keys, the source must not be asked."""

    def refused(token: str, *keys: Key) -> str:
        with pytest.raises(TokenInvalid) as caught:
            verify(token, *keys, source=None if keys else NeverAsked())
        return str(caught.value)

    return refused


def _segment(part: Any) -> bytes:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return urlsafe_b64encode(data).rstrip(b"=")
