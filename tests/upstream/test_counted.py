"""The count of attempts, by outcome."""

import asyncio
from contextlib import suppress

import httpx
import pytest

from gateway.metrics import Metrics
from gateway.telemetry import SharedMetrics, families
from gateway.upstream import Call, Reply
from gateway.upstream.counted import with_count
from gateway.upstream.faults import (
    Broken,
    DeadlineExceeded,
    Fault,
    NotAttempted,
    NotSent,
    Unreadable,
)
from tests.live.fault_server import enveloped
from tests.telemetry.counts import nonzero

FINE = Reply(200, httpx.Headers(), enveloped())
REFUSAL = Reply(500, httpx.Headers(), enveloped(code=500, message="record not found"))


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (FINE, "reply"),
        (REFUSAL, "reply"),
        (Reply(503, httpx.Headers(), b""), "unavailable"),
        (Reply(429, httpx.Headers(), enveloped()), "unavailable"),
        (NotSent("refused"), "not_connected"),
        (DeadlineExceeded("late"), "timeout"),
        (Broken("cut"), "broken"),
        (Unreadable("too large"), "broken"),
        (asyncio.CancelledError(), "abandoned"),
        (NotAttempted("too late to send it", retry_after=1), None),
    ],
)
def test_outcomes(outcome: Reply | BaseException, expected: str | None) -> None:
    """Each attempt that was sent counts once by its outcome, and the outcome is passed on."""
    block = SharedMetrics(families(Metrics))

    async def send(_: Call) -> Reply:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    call = Call("GET", "/", deadline=0)

    async def made() -> Reply | BaseException:
        try:
            return await with_count(Metrics(block).upstream_attempts, send)(call)
        except (Fault, asyncio.CancelledError) as error:
            return error

    with suppress(asyncio.CancelledError):
        assert asyncio.run(made()) is outcome
    assert call.attempts == 1
    assert nonzero(block, Metrics.upstream_attempts) == ({(expected,): 1} if expected else {})
