"""Rate limits at the edge: the limit of each request, its headers and its refusal."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gateway.edge import ClientAddress, InFlight, RateLimits
from gateway.edge.exchange import Exchange
from gateway.edge.outgoing import Outgoing
from gateway.edge.rate_limits import MAX_PENDING
from gateway.metrics import Metrics
from gateway.rooms import Bucket, Caller, Overloaded, Quota, RateLimited, Session
from gateway.stores import LocalRateLimiter
from gateway.telemetry import SharedMetrics, families
from tests.telemetry.counts import nonzero

_REMAINING = b"ratelimit-remaining"


class Limiter:
    """Answers every request with one quota; notes its key."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self.keys: list[str] = []
        self.costs: list[int] = []

    async def take(self, key: str, cost: int = 1) -> Quota:
        """Return the quota."""
        self.keys.append(key)
        self.costs.append(cost)
        return self._quota

    async def look(self, _key: str) -> Quota:
        """Return the quota."""
        return self._quota

    def bucket(self, key: str) -> Bucket:
        """Return a new bucket."""
        return Bucket(key, 0.0, 0.0)

    def spend(self, bucket: Bucket, cost: int = 1) -> Quota:
        """Return the quota."""
        self.keys.append(bucket.key)
        self.costs.append(cost)
        return self._quota


class World:
    """The three limits, of which one is off where it is None."""

    def __init__(self, *, off: bool = False, retry_after: float = 0) -> None:
        names = ("reads", "writes", "failed_auth")
        self.limiters = {
            name: None if off else Limiter(Quota(5, number, 1.5 + number, retry_after))
            for number, name in enumerate(names)
        }
        self.block = SharedMetrics(families(Metrics))
        refusals = Metrics(self.block).rate_limited
        reads, writes, failed_auth = self.limiters.values()
        self.limits = RateLimits(reads, writes, failed_auth, ClientAddress(()), refusals)

    def ask(self, method: str, *, failing: bool = False) -> dict[bytes, bytes]:
        """Make a request; return the headers of its answer."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def exchanged() -> None:
            exchange = Exchange("id", method, send, InFlight(1), Outgoing())
            scope: Any = {"client": ("192.0.2.1", 1), "headers": []}
            try:
                if failing:
                    await self.limits.count_failure(scope, exchange)
                else:
                    await self.limits.admit("alice", exchange)
            finally:
                await exchange.send({"type": "http.response.start", "status": 200, "headers": []})

        asyncio.run(exchanged())
        return {name: value for name, value in sent[0]["headers"] if b"ratelimit" in name}

    def keys(self) -> dict[str, list[str]]:
        """Return the keys that each limit was asked about."""
        return {name: each.keys for name, each in self.limiters.items() if each and each.keys}


@pytest.mark.parametrize(
    ("method", "limit", "remaining", "reset"),
    [
        ("GET", "reads", b"0", b"2"),
        ("POST", "writes", b"1", b"3"),
        ("DELETE", "writes", b"1", b"3"),
    ],
)
def test_a_request_is_counted_by_its_user(
    method: str, limit: str, remaining: bytes, reset: bytes
) -> None:
    """By the limit of its method, and its answer tells of that in whole seconds, rounded up."""
    world = World()
    assert world.ask(method) == {
        b"ratelimit-limit": b"5",
        b"ratelimit-remaining": remaining,
        b"ratelimit-reset": reset,
    }
    assert world.keys() == {limit: ["alice"]}


def test_a_failed_sign_in_is_counted_by_its_address() -> None:
    """Nobody is known yet whom it could be counted for."""
    world = World()
    assert world.ask("GET", failing=True)[b"ratelimit-remaining"] == b"2"
    assert world.keys() == {"failed_auth": ["192.0.2.1"]}


def test_other_methods_have_no_limit() -> None:
    """They do nothing, and say nothing of limits."""
    world = World()
    assert world.ask("OPTIONS") == {}
    assert world.keys() == {}


@pytest.mark.parametrize("failing", [False, True])
def test_a_limit_can_be_off(*, failing: bool) -> None:
    """Then nothing is said of it."""
    assert World(off=True).ask("GET", failing=failing) == {}


def test_a_refusal_says_when_to_come_back() -> None:
    """It is raised with the wait of the limiter, and counted by its limit."""
    world = World(retry_after=0.25)
    with pytest.raises(RateLimited) as refusal:
        world.ask("POST")
    assert refusal.value.retry_after == 0.25
    assert nonzero(world.block, Metrics.rate_limited) == {("writes",): 1}


def test_a_session_spends_as_a_request_is_counted() -> None:
    """Its answer has the same headers; a refusal is left to the usual way, which counts it."""
    session = Session(Caller("alice"), 0.0, "")
    world = World()
    spent = world.limits.spend(session)
    assert dict(spent or ()) == world.ask("GET")
    assert World(off=True).limits.spend(session) == ()
    refusing = World(retry_after=1)
    assert refusing.limits.spend(session) is None
    assert nonzero(refusing.block, Metrics.rate_limited) == {}


def test_a_session_gets_a_new_bucket_for_a_forgotten_one() -> None:
    """The limiter forgets keys for lack of space; nobody spends from a bucket that is gone."""
    reads = LocalRateLimiter(5, 60, lambda: 1000.0, keys=1)
    limits = RateLimits(reads, None, None, ClientAddress(()), Metrics().rate_limited)
    alice, bob = (Session(Caller(name), 0.0, "") for name in ("alice", "bob"))
    left = [dict(limits.spend(each) or ())[_REMAINING] for each in (alice, alice, bob, alice)]
    assert left == [b"4", b"3", b"4", b"4"]


def scope_of(address: str) -> Any:
    """Return the scope of a request from `address`."""
    return {"client": (address, 1), "headers": []}


async def _unsent(_: object) -> None:
    """Send nothing."""


class Waiting:
    """Requests that wait for the issuer, with so many failures left to each address."""

    def __init__(self, left: int | None, retry_after: float = 0) -> None:
        quota = None if left is None else Quota(5, left, 9, retry_after)
        self.block = SharedMetrics(families(Metrics))
        self.limits = RateLimits(
            None,
            None,
            None if quota is None else Limiter(quota),
            ClientAddress(()),
            Metrics(self.block).rate_limited,
        )
        self.stack = AsyncExitStack()

    async def wait(self, address: str = "192.0.2.1") -> Exchange:
        """Let one more request wait until `stack` is closed."""
        exchange = Exchange("id", "GET", _unsent, InFlight(1), Outgoing())
        await self.stack.enter_async_context(self.limits.pending(scope_of(address), exchange))
        return exchange


async def test_no_more_wait_than_may_fail() -> None:
    """An address has as many requests waiting as failures left; another has its own."""
    waiting = Waiting(left=3)
    for _ in range(3):
        await waiting.wait()
    for _ in range(2):
        with pytest.raises(RateLimited) as refusal:
            await waiting.wait()
        assert refusal.value.retry_after == 1
    await waiting.wait("192.0.2.2")
    assert nonzero(waiting.block, Metrics.rate_limited) == {("failed_auth",): 2}
    await waiting.stack.aclose()
    await waiting.wait()


async def test_who_has_no_failure_left_does_not_wait() -> None:
    """An address that has used up its failures is told when it will have one again."""
    waiting = Waiting(left=0, retry_after=7)
    with pytest.raises(RateLimited) as refusal:
        await waiting.wait()
    assert refusal.value.retry_after == 7


@pytest.mark.parametrize("left", [None, 10**6])
async def test_the_waiting_are_bounded(left: int | None) -> None:
    """All addresses together have a bound too, also without a limit, and none is left over."""
    waiting = Waiting(left)
    for number in range(MAX_PENDING):
        await waiting.wait(f"192.0.2.{number % 200}")
    with pytest.raises(Overloaded):
        await waiting.wait("192.0.2.250")
    await waiting.stack.aclose()
    await waiting.wait("192.0.2.250")
