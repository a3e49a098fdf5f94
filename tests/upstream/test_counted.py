"""What counts as a request that was sent, and as what."""

import asyncio
from contextlib import suppress

import httpx
import pytest

from gateway.metrics import Metrics
from gateway.telemetry import SharedMetrics, families
from gateway.upstream.counted import counted
from gateway.upstream.faults import (
    Broken,
    DeadlineExceeded,
    Fault,
    NotAttempted,
    NotSent,
    Unreadable,
)
from gateway.upstream.send import Reply
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
    """Each that was sent counts once, by what came back; the outcome itself is passed on."""
    block = SharedMetrics(families(Metrics))

    async def send(_: httpx.Request) -> Reply:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def call() -> Reply | BaseException:
        try:
            return await counted(Metrics(block).upstream_attempts, send)(
                httpx.Request("GET", "http://upstream.invalid/")
            )
        except (Fault, asyncio.CancelledError) as error:
            return error

    with suppress(asyncio.CancelledError):
        assert asyncio.run(call()) is outcome
    assert nonzero(block, Metrics.upstream_attempts) == ({(expected,): 1} if expected else {})
