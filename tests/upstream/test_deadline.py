"""What is left of a call's time when its turn to be sent comes."""

import asyncio

import httpx
import pytest

from gateway.upstream.faults import DeadlineExceeded, NotAttempted
from gateway.upstream.send import Reply, Send, deadline, within

FINE = Reply(200, httpx.Headers(), b"")


def called(seconds: float, send: Send) -> Reply:
    """Return what comes of a call that has so many seconds."""
    request = httpx.Request("GET", "http://upstream.invalid/")
    return asyncio.run(asyncio.wait_for(within(seconds, deadline(send))(request), timeout=5))


def test_a_call_without_time_is_not_sent() -> None:
    """One that has waited too long for a connection is refused: nothing has gone out."""
    sent: list[httpx.Request] = []

    async def send(request: httpx.Request) -> Reply:
        sent.append(request)
        return FINE

    with pytest.raises(NotAttempted) as refused:
        called(-0.001, send)
    assert refused.value.retry_after == 1
    assert sent == []


def test_the_transport_is_told_what_is_left() -> None:
    """Its own limit is that of the call, so that it lets go of the connection."""

    async def send(request: httpx.Request) -> Reply:
        assert 1 < request.extensions["deadline"] <= 2
        return FINE

    assert called(2, send) is FINE


def test_a_call_that_was_sent_may_have_been_carried_out() -> None:
    """DeadlineExceeded is another fault than refused."""

    async def send(_: httpx.Request) -> Reply:
        await asyncio.Event().wait()
        return FINE

    with pytest.raises(DeadlineExceeded):
        called(0.01, send)
