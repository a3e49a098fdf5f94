"""Keys made from settings and replaced while the gateway runs."""

import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from structlog.testing import CapturingLogger

from gateway.handover import Handover, handovers
from gateway.keyring import Keyring, hand_over, with_last_keys
from gateway.metrics import Metrics
from gateway.rooms import TokenInvalid
from gateway.settings import Settings, SettingsError, load

SECRETS = [f"a token secret of more than 32 bytes, number {number}" for number in range(3)]


def settings(**environ: str) -> Settings:
    """Return settings, by default with the first secret."""
    given = environ or {"JWT_SECRET": SECRETS[0]}
    changes = {f"GATEWAY_{name}": value for name, value in given.items()}
    return load({"GATEWAY_ACCESS_KEY": "ak-1", "GATEWAY_SECRET_KEY": "sk-1", **changes})


def keyring(handover: Handover | None = None, **environ: str) -> Keyring:
    """Return the keys of these settings."""
    metrics = Metrics()
    return Keyring(
        settings(**environ),
        CapturingLogger(),
        refreshes=metrics.key_refreshes,
        verifications=metrics.verifications,
        handover=handover,
    )


def pem(key: Any) -> str:
    """Return the public part of a key."""
    text = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return str(text.decode())


def token(key: Any, algorithm: str = "HS256") -> str:
    """Return a token for bob."""
    return jwt.encode({"sub": "bob", "exp": time.time() + 60}, key, algorithm=algorithm)


async def believes(credentials: Keyring, text: str) -> bool:
    """Return true if the token is accepted."""
    try:
        await credentials.tokens.verify(text)
    except TokenInvalid:
        return False
    return True


def signature(credentials: Keyring) -> str:
    """Return the Authorization value of a request."""
    return credentials.signer.authorization("GET", "/server/live/1", "upstream.invalid", (), b"")


async def test_another_secret() -> None:
    """The new one at once; the previous one as long as it is given; no older one."""
    credentials = keyring()
    tokens = [token(secret) for secret in SECRETS]
    assert [await believes(credentials, each) for each in tokens] == [True, False, False]
    credentials.adopt(settings(JWT_SECRET=SECRETS[1], JWT_SECRET_PREVIOUS=SECRETS[0]), 0)
    assert [await believes(credentials, each) for each in tokens] == [True, True, False]
    credentials.adopt(settings(JWT_SECRET=SECRETS[2], JWT_SECRET_PREVIOUS=SECRETS[1]), 0)
    assert [await believes(credentials, each) for each in tokens] == [False, True, True]


async def test_another_public_key() -> None:
    """A token cached under the old public key is refused after a rotation."""
    old, new = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    credentials = keyring(JWT_PUBLIC_KEY=pem(old))
    remembered = token(old, "ES256")
    assert await believes(credentials, remembered)
    credentials.adopt(settings(JWT_PUBLIC_KEY=pem(new)), 0)
    assert not await believes(credentials, remembered)
    assert await believes(credentials, token(new, "ES256"))


def test_another_pair_signs() -> None:
    """AK and SK change together."""
    credentials = keyring()
    before = signature(credentials)
    credentials.adopt(settings(ACCESS_KEY="ak-2", SECRET_KEY="sk-2", JWT_SECRET=SECRETS[0]), 0)
    assert before.startswith("Qiniu ak-1:")
    assert signature(credentials).startswith("Qiniu ak-2:")
    assert before.partition(":")[2] != signature(credentials).partition(":")[2]


async def test_a_key_that_cannot_be_used_changes_nothing() -> None:
    """Neither what verifies nor what signs."""
    credentials = keyring()
    before = signature(credentials)
    weak = pem(ec.generate_private_key(ec.SECP256K1()))
    with pytest.raises(SettingsError):
        credentials.adopt(settings(ACCESS_KEY="ak-2", JWT_PUBLIC_KEY=weak), 0)
    assert signature(credentials) == before
    assert await believes(credentials, token(SECRETS[0]))


ALL = {"ACCESS_KEY": "ak", "SECRET_KEY": "sk", "JWT_SECRET": SECRETS[0]}


@pytest.mark.parametrize(
    "given",
    [
        {**ALL, "JWT_SECRET_PREVIOUS": SECRETS[1]},
        {"JWT_PUBLIC_KEY": pem(ec.generate_private_key(ec.SECP256R1()))},
        {"JWT_SECRET": "\x01" * 65_536, "JWT_SECRET_PREVIOUS": "\x02" * 65_536},
    ],
    ids=["secrets", "a public key", "the longest secrets"],
)
def test_every_kind_of_key_is_handed_over(given: dict[str, str]) -> None:
    """Another worker has all keys of the last one, in place of those from the start."""
    first, second = handovers(2)
    hand_over(settings(JWT_SECRET=SECRETS[2]), first.keys, 1)
    hand_over(settings(**given), first.keys, 2)
    assert with_last_keys(settings(JWT_SECRET=SECRETS[2]), second.keys) == settings(**given)


async def test_a_worker_that_cannot_reload_follows() -> None:
    """A worker that has not read the last keys takes them from the one that has."""
    first, second = handovers(2)
    ahead, behind = keyring(first), keyring(second)
    ahead.adopt(settings(JWT_SECRET=SECRETS[1]), 1)
    behind.follow(settings())
    assert [await believes(behind, token(each)) for each in SECRETS] == [False, True, False]
