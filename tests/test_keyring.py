"""Keys taken from settings, and other keys in their place while the gateway runs."""

import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from structlog.testing import CapturingLogger

from gateway.keyring import Keyring
from gateway.rooms import TokenInvalid
from gateway.settings import Settings, SettingsError, load
from gateway.telemetry import Metrics

SECRETS = [f"a token secret of more than 32 bytes, number {number}" for number in range(3)]


def settings(**environ: str) -> Settings:
    """Return settings; without further ones, with the first secret."""
    given = environ or {"JWT_SECRET": SECRETS[0]}
    changes = {f"GATEWAY_{name}": value for name, value in given.items()}
    return load({"GATEWAY_ACCESS_KEY": "ak-1", "GATEWAY_SECRET_KEY": "sk-1", **changes})


def pem(key: Any) -> str:
    """Return the public part of a key."""
    text = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return str(text.decode())


def token(key: Any, algorithm: str = "HS256") -> str:
    """Return a token of bob's."""
    return jwt.encode({"sub": "bob", "exp": time.time() + 60}, key, algorithm=algorithm)


async def believes(credentials: Keyring, text: str) -> bool:
    """Whether a token is accepted."""
    try:
        await credentials.tokens.verify(text)
    except TokenInvalid:
        return False
    return True


def signature(credentials: Keyring) -> str:
    """Return what signs a request."""
    request = httpx.Request("GET", "http://upstream.invalid/server/live/1")
    return str(next(credentials.auth.auth_flow(request)).headers["Authorization"])


async def test_another_secret() -> None:
    """The new one at once; the previous one as long as it is given; no older one."""
    credentials = Keyring(settings(), CapturingLogger(), Metrics())
    tokens = [token(secret) for secret in SECRETS]
    assert [await believes(credentials, each) for each in tokens] == [True, False, False]
    credentials.adopt(settings(JWT_SECRET=SECRETS[1], JWT_SECRET_PREVIOUS=SECRETS[0]))
    assert [await believes(credentials, each) for each in tokens] == [True, True, False]
    credentials.adopt(settings(JWT_SECRET=SECRETS[2], JWT_SECRET_PREVIOUS=SECRETS[1]))
    assert [await believes(credentials, each) for each in tokens] == [False, True, True]


async def test_another_public_key() -> None:
    """A token that was remembered under the old one is not believed any more."""
    old, new = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    credentials = Keyring(settings(JWT_PUBLIC_KEY=pem(old)), CapturingLogger(), Metrics())
    remembered = token(old, "ES256")
    assert await believes(credentials, remembered)
    credentials.adopt(settings(JWT_PUBLIC_KEY=pem(new)))
    assert not await believes(credentials, remembered)
    assert await believes(credentials, token(new, "ES256"))


def test_another_pair_signs() -> None:
    """AK and SK change together."""
    credentials = Keyring(settings(), CapturingLogger(), Metrics())
    before = signature(credentials)
    credentials.adopt(settings(ACCESS_KEY="ak-2", SECRET_KEY="sk-2", JWT_SECRET=SECRETS[0]))
    assert before.startswith("Qiniu ak-1:")
    assert signature(credentials).startswith("Qiniu ak-2:")
    assert before.partition(":")[2] != signature(credentials).partition(":")[2]


async def test_a_key_that_cannot_be_used_changes_nothing() -> None:
    """Neither what verifies nor what signs."""
    credentials = Keyring(settings(), CapturingLogger(), Metrics())
    before = signature(credentials)
    weak = pem(ec.generate_private_key(ec.SECP256K1()))
    with pytest.raises(SettingsError):
        credentials.adopt(settings(ACCESS_KEY="ak-2", JWT_PUBLIC_KEY=weak))
    assert signature(credentials) == before
    assert await believes(credentials, token(SECRETS[0]))
