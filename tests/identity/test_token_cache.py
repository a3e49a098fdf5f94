"""The token cache: verified once, expired on time, bounded, cleared."""

import time
import tracemalloc
from collections.abc import Sequence
from contextlib import suppress

import jwt
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
from gateway.rooms import Refusals, TokenExpired, TokenInvalid, UpstreamUnavailable
from gateway.telemetry import SharedMetrics, families
from tests.telemetry.counts import nonzero

SECRET = "a secret of at least thirty-two bytes"
RULES = ClaimRules(issuer=None, audience=None, leeway=10)


class Counting(TokenVerifier):
    """A verifier that counts."""

    verified = 0

    async def verify(self, token: str, _: object = None) -> Identity:
        """Verify and count."""
        self.verified += 1
        return await super().verify(token)


class World:
    """A cache over a counting verifier, with a clock moved by hand."""

    def __init__(self, size: int = 100) -> None:
        self.now = 1_800_000_000.0
        self.verifier = Counting(StaticKeys([hmac_key(SECRET.encode())]), RULES, lambda: self.now)
        self.block = SharedMetrics(families(Metrics))
        self.tokens = CachingVerifier(
            self.verifier,
            leeway=RULES.leeway,
            clock=lambda: self.now,
            size=size,
            scopes=frozenset({"rooms:admin"}),
            verifications=Metrics(self.block).verifications,
        )

    def token(
        self,
        user_id: str = "alice",
        ttl: int = 60,
        scopes: tuple[str, ...] = (),
        token_id: str | None = None,
    ) -> str:
        """Return a token made now."""
        if token_id is not None:
            claims = {"sub": user_id, "exp": self.now + ttl, "jti": token_id}
            return jwt.encode(claims, SECRET, algorithm="HS256")
        return mint(SECRET, user_id, RULES, scopes=scopes, now=self.now, ttl=ttl)


async def test_verified_once() -> None:
    """A polling client's token is verified once."""
    world = World()
    token = world.token()
    assert world.tokens.peek(token) is None
    callers = [await world.tokens.verify(token) for _ in range(10)]
    assert {caller.user_id for caller in callers} == {"alice"}
    assert world.tokens.peek(token) == callers[0]
    assert world.verifier.verified == 1


@pytest.mark.parametrize("late", [0.0, 0.001, 5.0])
async def test_refused_the_second_it_expires(late: float) -> None:
    """A cached token expires exactly when the verifier would refuse it."""
    world = World()
    token = world.token(ttl=60)
    await world.tokens.verify(token)
    world.now += 60 + RULES.leeway - 0.001
    assert world.tokens.peek(token) is not None
    world.now += 0.001 + late
    assert world.tokens.peek(token) is None
    with pytest.raises(TokenExpired):
        await world.tokens.verify(token)


async def test_only_this_very_token() -> None:
    """A token that differs by one character is verified and refused."""
    world = World()
    token = world.token()
    await world.tokens.verify(token)
    other = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    assert world.tokens.peek(other) is None
    with pytest.raises(TokenInvalid):
        await world.tokens.verify(other)


async def test_bad_tokens_are_not_cached() -> None:
    """A refused token is verified again the next time."""
    world = World()
    for _ in range(2):
        with pytest.raises(TokenInvalid):
            await world.tokens.verify("not.a.token")
    assert world.verifier.verified == 2


async def test_bounded() -> None:
    """The cache has a bounded number of tokens."""
    world = World(size=10)
    tokens = [world.token(f"user{number}") for number in range(25)]
    for token in tokens:
        await world.tokens.verify(token)
    assert sum(world.tokens.peek(token) is not None for token in tokens) == 10


@pytest.mark.parametrize("size", [1000, 2000, 3000, 5500])
async def test_long_tokens_are_remembered_too(size: int) -> None:
    """A token of any accepted length is verified once; one that differs is verified."""
    world = World()
    token = world.token(scopes=("x" * size,))
    caller = await world.tokens.verify(token)
    assert world.tokens.peek(token) == caller == await world.tokens.verify(token)
    assert world.verifier.verified == 1
    other = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    with pytest.raises(TokenInvalid):
        await world.tokens.verify(other)
    world.now += 60 + RULES.leeway
    assert world.tokens.peek(token) is None


async def test_a_long_token_takes_little_room() -> None:
    """A remembered token takes 2 kB at most, whatever its length and however much it grants."""
    world = World(size=200)
    scopes = ("rooms:admin", *(f"{number}" for number in range(1200)))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(100):
            token = world.token(f"user{number}", scopes=scopes)
            assert len(token) > 6000
            assert (await world.tokens.verify(token)).scopes == {"rooms:admin"}
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert world.tokens.peek(token) is not None
    assert (after - before) / 100 < 2000


async def test_clear() -> None:
    """After `clear` every token is verified again."""
    world = World()
    token = world.token()
    await world.tokens.verify(token)
    world.tokens.clear()
    assert world.tokens.peek(token) is None
    await world.tokens.verify(token)
    assert world.verifier.verified == 2


async def test_an_operators_refusals_hold_for_cached_tokens_and_others() -> None:
    """A refused user's tokens, and a token refused by its `jti`, are refused until their time."""
    world = World()
    alices, bobs = world.token("alice"), world.token("bob", token_id="1")
    other = world.token("bob", token_id="2")
    for token in (alices, bobs, other):
        await world.tokens.verify(token)
    world.tokens.refuse(Refusals({"alice": world.now + 9}, {"1": world.now + 9}))
    for token in (alices, bobs, world.token("alice", ttl=99)):
        assert world.tokens.peek(token) is None
        with pytest.raises(TokenInvalid):
            await world.tokens.verify(token)
    assert world.tokens.peek(other) is not None
    await world.tokens.verify(world.token("bob", ttl=99))
    world.now += 9
    assert world.tokens.peek(alices) is not None
    await world.tokens.verify(bobs)
    world.tokens.refuse(Refusals({"alice": world.now + 9}, {}))
    world.tokens.refuse(Refusals({}, {}))
    await world.tokens.verify(alices)


class NoKeys:
    """An issuer without a published set yet."""

    state = "missing"

    async def candidates(self, _kid: str | None, _: object = None, /) -> Sequence[Key]:
        """Raise UpstreamUnavailable."""
        raise UpstreamUnavailable("no keys", retry_after=1)

    async def keep_fresh(self) -> None:
        """Return at once."""


async def test_verifications_are_counted_by_outcome() -> None:
    """Every check of a token is counted once by outcome, cached or not."""
    world = World()
    token = world.token()
    await world.tokens.verify(token)
    await world.tokens.verify(token)
    world.tokens.peek(token)
    world.tokens.peek("another")
    with suppress(TokenInvalid):
        await world.tokens.verify("no token")
    with suppress(TokenExpired):
        await world.tokens.verify(world.token(ttl=-60))
    without = CachingVerifier(
        TokenVerifier(NoKeys(), RULES),
        leeway=0,
        clock=time.time,
        size=1,
        scopes=frozenset(),
        verifications=Metrics(world.block).verifications,
    )
    with suppress(UpstreamUnavailable):
        await without.verify(token)
    assert nonzero(world.block, Metrics.verifications) == {
        ("verified",): 1,
        ("remembered",): 2,
        ("invalid",): 1,
        ("expired",): 1,
        ("no_keys",): 1,
    }
