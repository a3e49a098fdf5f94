"""Second attempts at reads."""

import asyncio
from collections.abc import Mapping

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream import Call, Reply
from gateway.upstream.call import deadline_in
from gateway.upstream.faults import (
    Broken,
    DeadlineExceeded,
    Fault,
    NotAttempted,
    NotSent,
    Unreadable,
)
from gateway.upstream.retry import RetryBudget, with_retry
from tests.live.fault_server import enveloped

TIMEOUT = 3.0


def reply(status: int, body: bytes = b"", **headers: str) -> Reply:
    """Return a reply with this status."""
    named = [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, value in headers.items()
    ]
    return Reply(status, httpx.Headers(named), body)


FINE = reply(200, enveloped({}))


class World:
    """An upstream with a script of outcomes; pauses are noted, not slept."""

    def __init__(self, *outcomes: Reply | Fault, jitter: float = 0.5) -> None:
        self.outcomes = list(outcomes)
        self.pauses: list[float] = []
        self.sent = 0
        self.budget = RetryBudget()
        self._call = with_retry(self.budget, self._send, sleep=self._sleep, jitter=lambda: jitter)

    async def _send(self, _: Call) -> Reply:
        self.sent += 1
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Fault):
            raise outcome
        return outcome

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def call(self, method: str = "GET") -> Reply | Fault:
        """Return how one call ended."""

        async def one() -> Reply | Fault:
            try:
                return await self._call(Call(method, "/", deadline_in(TIMEOUT)))
            except Fault as fault:
                return fault

        return asyncio.run(one())


MENDABLE: Mapping[str, Reply | Fault] = {
    "not sent": NotSent("refused"),
    "broken": Broken("reset"),
    "429": reply(429),
    "503": reply(503),
    "500 without an envelope": reply(500, b"oops"),
}
FINAL: Mapping[str, Reply | Fault] = {
    "timeout": DeadlineExceeded("3 s"),
    "too large": Unreadable("larger"),
    "refused by the breaker": NotAttempted("open", retry_after=1),
    "a room": FINE,
    "garbage": reply(200, b"<html>"),
    "an unknown room": reply(500, enveloped(code=500, message="record not found")),
    "refused credentials": reply(401, enveloped(code=401)),
    "404": reply(404),
}


@pytest.mark.parametrize("first", MENDABLE.values(), ids=MENDABLE)
def test_what_another_attempt_can_mend_is_attempted_again(first: Reply | Fault) -> None:
    """The second outcome counts, after a pause of at most 0.1 s."""
    world = World(first, FINE)
    assert world.call() is FINE
    assert world.pauses == [0.05]


@pytest.mark.parametrize("first", FINAL.values(), ids=FINAL)
def test_nothing_else_is(first: Reply | Fault) -> None:
    """Any other outcome stands after one attempt."""
    world = World(first)
    assert world.call() is first
    assert world.sent == 1


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("first", MENDABLE.values(), ids=MENDABLE)
def test_a_write_is_attempted_once(first: Reply | Fault, method: str) -> None:
    """A write has one attempt, however it fails."""
    world = World(first)
    assert world.call(method) is first
    assert world.sent == 1


@pytest.mark.parametrize("second", MENDABLE.values(), ids=MENDABLE)
def test_two_attempts_are_the_most(second: Reply | Fault) -> None:
    """The second outcome stands, good or bad, and there is no third attempt."""
    world = World(Broken("reset"), second)
    assert world.call() is second


def test_a_second_attempt_that_is_refused_leaves_the_first_outcome() -> None:
    """The first outcome is the call's, not the breaker's refusal of the second attempt."""
    first = Broken("reset")
    world = World(first, NotAttempted("open", retry_after=1))
    assert world.call() is first


@pytest.mark.parametrize(
    ("asked", "pauses"),
    [
        ("0", [0.05]),
        ("1", [1.05]),
        ("2", [2.05]),
        ("3", []),
        ("86400", []),
        ("9" * 5000, []),
        ("-1", []),
        ("1.5", []),
        ("²", []),
        ("", []),
        ("Sun, 22 Nov 2026 19:00:00 GMT", []),
    ],
)
def test_retry_after_is_respected_when_it_fits(asked: str, pauses: list[float]) -> None:
    """The pause is as long as `Retry-After` asks; without time for it nothing is retried."""
    first = reply(503, Retry_After=asked)
    world = World(first, FINE)
    assert world.call() is (FINE if pauses else first)
    assert world.pauses == pauses


@pytest.mark.parametrize("jitter", [0.0, 0.25, 1.0])
def test_the_pause_is_random(jitter: float) -> None:
    """The pause is random, from nothing to a tenth of a second."""
    world = World(Broken("reset"), FINE, jitter=jitter)
    world.call()
    assert world.pauses == [pytest.approx(0.1 * jitter)]


@given(st.lists(st.booleans(), min_size=5, max_size=300))
def test_retries_stay_within_a_fifth_of_the_reads(failing: list[bool]) -> None:
    """Retries are at most a fifth of the reads and one, in any order of failures."""
    outcomes = [Broken("reset")] * (2 * len(failing))
    world = World(*outcomes)
    for fails in failing:
        world.outcomes[0] = outcomes[0] if fails else FINE
        world.call()
    assert world.sent <= 1.2 * len(failing) + 1


def test_an_outage_uses_the_budget_up_and_calm_restores_it() -> None:
    """A first failure is retried, a series of failures is not, and the saved budget is bounded."""
    world = World(*[Broken("reset")] * 4)
    world.call()
    world.call()
    assert world.sent == 3
    world.outcomes = [FINE] * 1000 + [Broken("reset")] * 100
    for _ in range(1000):
        world.call()
    world.sent = 0
    for _ in range(40):
        world.call()
    assert 50 <= world.sent <= 58
