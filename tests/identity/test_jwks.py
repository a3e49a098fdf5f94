"""The issuer's JWK set: refreshed, kept through outages, with a bound on wasted fetches."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import pytest
from jwt.algorithms import get_default_algorithms
from structlog.testing import CapturingLogger

from gateway.handover import LastText, handovers
from gateway.identity import JwksKeys, Key
from gateway.metrics import Metrics
from gateway.rooms import UpstreamUnavailable
from gateway.telemetry import SharedMetrics, families
from tests.telemetry.counts import nonzero
from tests.waiting import until

REFRESH = 100.0


class Issuer:
    """An issuer with an answer set by hand and a count of fetches."""

    def __init__(self) -> None:
        self.answer: bytes | Exception = b""
        self.asked = 0
        self.slow = asyncio.Event()
        self.slow.set()

    async def fetch(self) -> bytes:
        """Answer once `slow` is set."""
        self.asked += 1
        await self.slow.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def publish(self, *jwks: dict[str, Any]) -> None:
        """Answer with these keys."""
        self.answer = json.dumps({"keys": jwks}).encode()


class World:
    """Keys from an issuer, with a clock moved by hand."""

    def __init__(self, last: LastText | None = None) -> None:
        self.issuer = Issuer()
        self.last = last
        self.now = 0.0
        self.changes = 0
        self.log = CapturingLogger()
        self.block = SharedMetrics(families(Metrics))
        self.keys = JwksKeys(
            self.issuer.fetch,
            None,
            refresh=REFRESH,
            clock=lambda: self.now,
            on_change=self._changed,
            log=self.log,
            refreshes=Metrics(self.block).key_refreshes,
            last=last,
        )

    def _changed(self) -> None:
        self.changes += 1

    async def known(self, kid: str | None) -> int:
        """Return the number of keys with this `kid`."""
        return len(await self.keys.candidates(kid))


@pytest.fixture(scope="session")
def jwk(signing_keys: Any) -> Callable[..., dict[str, Any]]:
    """Return a maker of public JWKs by `kid` and algorithm, with further members."""

    def make(kid: str, algorithm: str = "ES256", **members: Any) -> dict[str, Any]:
        public = signing_keys[algorithm].public_key()
        made = get_default_algorithms()[algorithm].to_jwk(public, as_dict=True)
        return {**made, "kid": kid, **members}

    return make


Make = Callable[..., dict[str, Any]]


async def test_keys_are_found_by_name(jwk: Make) -> None:
    """A `kid` selects its keys; without one all keys are candidates."""
    world = World()
    world.issuer.publish(jwk("a"), jwk("b", "RS256"), jwk("b", "EdDSA"))
    assert [await world.known(kid) for kid in ("a", "b", None, "c")] == [1, 2, 3, 0]
    assert world.keys.state == "ok"


async def test_before_there_are_keys_nobody_is_signed_out() -> None:
    """Without any set yet, tokens are answered with UpstreamUnavailable, not TokenInvalid."""
    world = World()
    world.issuer.answer = ConnectionError("refused")
    with pytest.raises(UpstreamUnavailable):
        await world.keys.candidates("a")
    assert world.keys.state == "missing"


@pytest.mark.parametrize(
    "answer",
    [
        ConnectionError("refused"),
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b"\xff",
        b"[" * 9999,
    ],
    ids=lambda value: str(value)[:12],
)
async def test_the_last_good_set_stays(jwk: Make, answer: bytes | Exception) -> None:
    """The last good set stays in use while the issuer sends anything else."""
    world = World()
    world.issuer.publish(jwk("a"))
    assert await world.known("a") == 1
    world.issuer.answer = answer
    for _ in range(50):
        world.now += 86_400
        assert not await world.keys.refresh()
        assert await world.known("a") == 1
    assert world.keys.state == "stale"
    world.issuer.publish(jwk("b"))
    assert await world.keys.refresh()
    assert [await world.known(kid) for kid in ("a", "b")] == [0, 1]
    assert world.keys.state == "ok"


async def test_a_withdrawn_key_is_gone(jwk: Make) -> None:
    """A withdrawn key stops working, even the last one, and `on_change` is called."""
    world = World()
    world.issuer.publish(jwk("a"), jwk("b"))
    await world.keys.refresh()
    for left, changes in (([jwk("b")], 2), ([jwk("b")], 2), ([], 3)):
        world.issuer.publish(*left)
        await world.keys.refresh()
        assert world.changes == changes
        assert await world.known("a") == 0
    assert await world.known(None) == 0


async def test_a_new_key_is_fetched_when_it_is_first_seen(jwk: Make) -> None:
    """An unknown `kid` has the set fetched at once."""
    world = World()
    world.issuer.publish(jwk("a"))
    await world.keys.refresh()
    world.issuer.publish(jwk("a"), jwk("b"))
    assert await world.known("b") == 1


async def test_ten_thousand_unknown_names_cost_a_handful(jwk: Make) -> None:
    """Ten thousand unknown `kid`s cost a handful of fetches."""
    world = World()
    world.issuer.publish(jwk("a"))
    await world.keys.refresh()
    world.issuer.slow.clear()
    asking = [asyncio.create_task(world.known(f"made-up-{n}")) for n in range(5_000)]
    await asyncio.sleep(0)
    world.issuer.slow.set()
    assert set(await asyncio.gather(*asking)) == {0}
    for number in range(5_000):
        world.now += 0.002
        assert await world.known(f"another-{number}") == 0
    assert world.issuer.asked <= 2 + 10 / 5


class Waits:
    """The waits for an issuer, of which each is refused if that is said."""

    def __init__(self, *, refused: bool = False) -> None:
        self.refused = refused
        self.entered = 0
        self.open = 0

    @asynccontextmanager
    async def wait(self) -> AsyncGenerator[None]:
        """Count a wait."""
        self.entered += 1
        if self.refused:
            raise PermissionError
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


async def test_only_unknown_names_wait(jwk: Make) -> None:
    """A known key is found without a wait, also while others wait for the issuer."""
    world, waits = World(), Waits()
    world.issuer.publish(jwk("a"))
    await world.keys.refresh()
    world.issuer.slow.clear()
    asking = [asyncio.create_task(world.keys.candidates(str(n), waits.wait)) for n in range(3)]
    await asyncio.sleep(0)
    assert waits.open == 3
    for kid in ("a", None):
        assert len(await world.keys.candidates(kid, waits.wait)) == 1
    world.issuer.slow.set()
    await asyncio.gather(*asking)
    assert (waits.entered, waits.open) == (3, 0)
    assert len(await world.keys.candidates("in the cooldown", waits.wait)) == 0
    assert waits.entered == 3


async def test_a_refused_wait_costs_the_issuer_nothing(jwk: Make) -> None:
    """Whoever may not wait triggers no fetch, nor the cooldown for others."""
    world, waits = World(), Waits(refused=True)
    world.issuer.publish(jwk("a"))
    await world.keys.refresh()
    world.issuer.publish(jwk("a"), jwk("b"))
    with pytest.raises(PermissionError):
        await world.keys.candidates("b", waits.wait)
    assert world.issuer.asked == 1
    assert await world.known("b") == 1


@pytest.mark.parametrize("known", [True, False])
async def test_nobody_waits_soon_after_a_failed_fetch(jwk: Make, *, known: bool) -> None:
    """After a fetch that failed, unknown `kid`s are answered at once for five seconds."""
    world, waits = World(), Waits()
    if known:
        world.issuer.publish(jwk("a"))
        await world.keys.refresh()
    world.issuer.answer = ConnectionError("timed out")
    for asked in (1, 2):
        with nullcontext() if known else pytest.raises(UpstreamUnavailable):
            await world.keys.candidates("b", waits.wait)
        for _ in range(3):
            with nullcontext() if known else pytest.raises(UpstreamUnavailable):
                await world.keys.candidates("c", waits.wait)
            assert waits.entered == asked
        world.now += 5


async def test_who_goes_away_fails_nobody(jwk: Make) -> None:
    """Cancelling the request that started a fetch fails no other request."""
    world = World()
    world.issuer.publish(jwk("a"))
    world.issuer.slow.clear()
    first, second = (asyncio.create_task(world.known("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    world.issuer.slow.set()
    assert await second == 1
    assert world.issuer.asked == 1


async def test_it_is_fetched_again_before_it_is_stale(
    jwk: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The set is fetched again within the interval, and soon after a failure."""
    world, pauses = World(), list[float]()
    answers: list[Callable[[], None]] = [
        lambda: world.issuer.publish(jwk("a")),
        lambda: setattr(world.issuer, "answer", ConnectionError("refused")),
        lambda: world.issuer.publish(jwk("b")),
    ]

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if not answers:
            raise asyncio.CancelledError
        answers.pop(0)()

    monkeypatch.setattr("gateway.identity.jwks.asyncio.sleep", pause)
    with pytest.raises(asyncio.CancelledError):
        await world.keys.keep_fresh()
    assert pauses == [5, 80, 5, 80]
    assert await world.known("b") == 1


@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"alg": "RS256"},
        {"alg": "none"},
        {"alg": 5},
        {"alg": []},
        {"d": "AAAA"},
        {"kty": "oct", "k": "A" * 43},
        {"kty": None},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"x": "AAAA"},
        {"x": 7},
        {"y": "A" * 43},
    ],
    ids=str,
)
async def test_a_key_that_cannot_be_used_is_left_out(jwk: Make, members: dict[str, Any]) -> None:
    """An unusable key is left out and logged without its content; the others stay."""
    world = World()
    bad = jwk("bad", **members)
    world.issuer.publish(bad, jwk("good"))
    assert [await world.known(kid) for kid in ("bad", "good")] == [0, 1]
    [fetched] = [call.kwargs for call in world.log.calls if call.args == ("keys_fetched",)]
    assert len(fetched["left_out"]) == 1
    assert bad["y"] not in str(fetched)


async def test_a_short_rsa_key_is_left_out() -> None:
    """An RSA key under 2048 bits is left out."""
    world = World()
    world.issuer.publish({"kty": "RSA", "kid": "a", "n": "0" * 171 + "w", "e": "AQAB"})
    assert await world.known("a") == 0


@pytest.mark.parametrize(
    ("algorithms", "members", "expected"),
    [
        (None, {}, {"RS256"}),
        (None, {"alg": "PS384"}, {"PS384"}),
        (["RS256", "PS256", "ES256"], {}, {"RS256", "PS256"}),
        (["RS256", "PS256"], {"alg": "PS256"}, {"PS256"}),
        (["ES256"], {}, None),
        (["RS512"], {"alg": "RS256"}, None),
    ],
)
async def test_which_algorithms_a_key_may_be_used_for(
    jwk: Make, algorithms: Sequence[str] | None, members: Any, expected: set[str] | None
) -> None:
    """A key gets its own `alg`, or the suitable ones of the accepted algorithms."""
    issuer = Issuer()
    issuer.publish(jwk("a", "RS256", **members))
    keys = JwksKeys(
        issuer.fetch,
        algorithms,
        refresh=REFRESH,
        clock=lambda: 0.0,
        on_change=lambda: None,
        log=CapturingLogger(),
        refreshes=Metrics().key_refreshes,
    )
    found: Sequence[Key] = await keys.candidates("a")
    assert [set(key.algorithms) for key in found] == ([expected] if expected else [])


async def test_fetches_are_counted(jwk: Make) -> None:
    """Fetches are counted by outcome."""
    world = World()
    world.issuer.publish(jwk("a", "RS256"))
    await world.keys.refresh()
    for bad in (OSError("down"), b"<html>"):
        world.issuer.answer = bad
        await world.keys.refresh()
    assert nonzero(world.block, Metrics.key_refreshes) == {
        ("jwks", "ok"): 1,
        ("jwks", "failed"): 2,
    }


async def test_a_new_worker_begins_with_the_last_set_of_any(jwk: Make) -> None:
    """A key that the issuer withdrew does not come back in a worker that cannot reach the issuer.

    One that has an older set follows, once its own fetch has failed.
    """
    old, new = (World(last.jwk_sets[0]) for last in handovers(2))
    new.now = 1
    old.issuer.publish(jwk("withdrawn"))
    new.issuer.publish(jwk("kept"))
    assert (await old.keys.refresh(), await new.keys.refresh()) == (True, True)
    replacement = World(old.last)
    for each in (old, replacement):
        each.issuer.answer = ConnectionError("refused")
        assert await each.keys.refresh() is False
        assert (await each.known("kept"), await each.known("withdrawn")) == (1, 0)
        assert each.keys.state == "stale"
    assert replacement.changes == 0


async def test_a_late_answer_is_not_the_last_set(jwk: Make) -> None:
    """A set that was asked for before the last one, and comes after it, is no worker's next set."""
    slow, quick = (World(last.jwk_sets[0]) for last in handovers(2))
    slow.issuer.publish(jwk("withdrawn"))
    slow.issuer.slow.clear()
    late = asyncio.create_task(slow.keys.refresh())
    await until(lambda: slow.issuer.asked == 1)
    quick.now = slow.now = 1
    quick.issuer.publish(jwk("kept"))
    assert await quick.keys.refresh()
    slow.issuer.slow.set()
    assert await late
    quick.issuer.answer = ConnectionError("refused")
    assert not await quick.keys.refresh()
    for each in (quick, World(slow.last)):
        each.issuer.answer = ConnectionError("refused")
        assert (await each.known("kept"), await each.known("withdrawn")) == (1, 0)
