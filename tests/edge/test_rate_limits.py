"""Rate limits at the edge: the limit of each request, its headers and its refusal."""

import asyncio
from typing import Any

import pytest

from gateway.edge import ClientAddress, InFlight, RateLimits
from gateway.edge.exchange import Exchange
from gateway.edge.problems import RateLimited
from gateway.metrics import Metrics
from gateway.rooms import Quota
from gateway.telemetry import SharedMetrics, families
from tests.telemetry.counts import nonzero


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
            exchange = Exchange("id", method, send, InFlight(1))
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
