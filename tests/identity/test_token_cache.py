"""Remembered tokens: verified once, refused the second they expire, bounded, forgettable."""

import time
from collections.abc import Sequence
from contextlib import suppress

import pytest

from gateway.identity import (
    CachingVerifier,
    ClaimRules,
    Identity,
    Key,
    StaticKeys,
    TokenVerifier,
    hmac_key,
    mint,
)
from gateway.metrics import Metrics
from gateway.rooms import TokenExpired, TokenInvalid, UpstreamUnavailable
from gateway.telemetry import SharedMetrics, families
from tests.telemetry.counts import nonzero

pytestmark = pytest.mark.anyio

SECRET = "a secret of at least thirty-two bytes"
RULES = ClaimRules(issuer=None, audience=None, leeway=10)


class Counting(TokenVerifier):
    """A verifier that counts."""

    verified = 0

    async def verify(self, token: str) -> Identity:
        """Verify and count."""
        self.verified += 1
        return await super().verify(token)


class Remembering:
    """A memory over a counting verifier, at a time of one's own."""

    def __init__(self, size: int = 100) -> None:
        self.now = 1_800_000_000.0
        self.verifier = Counting(StaticKeys([hmac_key(SECRET.encode())]), RULES, lambda: self.now)
        self.block = SharedMetrics(families(Metrics))
        self.tokens = CachingVerifier(
            self.verifier,
            leeway=RULES.leeway,
            clock=lambda: self.now,
            size=size,
            verifications=Metrics(self.block).verifications,
        )

    def token(self, user_id: str = "alice", ttl: int = 60, scopes: tuple[str, ...] = ()) -> str:
        """Return a token made now."""
        return mint(SECRET, user_id, RULES, scopes=scopes, now=self.now, ttl=ttl)


@pytest.fixture
def anyio_backend() -> str:
    """asyncio, the loop the gateway runs in."""
    return "asyncio"


async def test_verified_once() -> None:
    """A polling client's token is verified once."""
    memory = Remembering()
    token = memory.token()
    assert memory.tokens.recall(token) is None
    callers = [await memory.tokens.verify(token) for _ in range(10)]
    assert {caller.user_id for caller in callers} == {"alice"}
    assert memory.tokens.recall(token) == callers[0]
    assert memory.verifier.verified == 1


@pytest.mark.parametrize("late", [0.0, 0.001, 5.0])
async def test_refused_the_second_it_expires(late: float) -> None:
    """A remembered token ends exactly where a verification would end it."""
    memory = Remembering()
    token = memory.token(ttl=60)
    await memory.tokens.verify(token)
    memory.now += 60 + RULES.leeway - 0.001
    assert memory.tokens.recall(token) is not None
    memory.now += 0.001 + late
    assert memory.tokens.recall(token) is None
    with pytest.raises(TokenExpired):
        await memory.tokens.verify(token)


async def test_only_this_very_token() -> None:
    """A token that differs by one character is verified, and refused."""
    memory = Remembering()
    token = memory.token()
    await memory.tokens.verify(token)
    other = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    assert memory.tokens.recall(other) is None
    with pytest.raises(TokenInvalid):
        await memory.tokens.verify(other)


async def test_bad_tokens_are_not_remembered() -> None:
    """A refused token is refused again by verification."""
    memory = Remembering()
    for _ in range(2):
        with pytest.raises(TokenInvalid):
            await memory.tokens.verify("not.a.token")
    assert memory.verifier.verified == 2


async def test_bounded() -> None:
    """The memory holds so many tokens and none that is long."""
    memory = Remembering(size=10)
    tokens = [memory.token(f"user{number}") for number in range(25)]
    for token in tokens:
        await memory.tokens.verify(token)
    assert sum(memory.tokens.recall(token) is not None for token in tokens) == 10
    long = memory.token(scopes=("x" * 3000,))
    await memory.tokens.verify(long)
    assert memory.tokens.recall(long) is None


async def test_forgotten_when_keys_change() -> None:
    """After `forget`, every token is verified anew."""
    memory = Remembering()
    token = memory.token()
    await memory.tokens.verify(token)
    memory.tokens.forget()
    assert memory.tokens.recall(token) is None
    await memory.tokens.verify(token)
    assert memory.verifier.verified == 2


class NoKeys:
    """An issuer that has not published anything yet."""

    state = "missing"

    async def candidates(self, _kid: str | None, /) -> Sequence[Key]:
        """Find none."""
        raise UpstreamUnavailable("no keys", retry_after=1)

    async def keep_fresh(self) -> None:
        """Do nothing."""


async def test_verifications_are_counted_by_outcome() -> None:
    """Each token that is looked at once, whether it had to be verified or not."""
    memory = Remembering()
    token = memory.token()
    await memory.tokens.verify(token)
    await memory.tokens.verify(token)
    memory.tokens.recall(token)
    memory.tokens.recall("another")
    with suppress(TokenInvalid):
        await memory.tokens.verify("no token")
    with suppress(TokenExpired):
        await memory.tokens.verify(memory.token(ttl=-60))
    without = CachingVerifier(
        TokenVerifier(NoKeys(), RULES),
        leeway=0,
        clock=time.time,
        size=1,
        verifications=Metrics(memory.block).verifications,
    )
    with suppress(UpstreamUnavailable):
        await without.verify(token)
    assert nonzero(memory.block, Metrics.verifications) == {
        ("verified",): 1,
        ("remembered",): 2,
        ("invalid",): 1,
        ("expired",): 1,
        ("no_keys",): 1,
    }
