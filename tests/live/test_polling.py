"""Clients that ask again when they are told to."""

import asyncio
import time

import pytest

from tests.live.fault_server import rooms, serving
from tests.live.gateways import gateway_at, token


@pytest.mark.slow  # ten seconds of polling
async def test_a_client_that_polls_as_told_does_not_spin() -> None:
    """A client that sleeps `max-age` between reads must send 8 to 12 requests in 10 s."""
    async with serving(rooms) as server, gateway_at(server.url) as gateway:
        bob = {"Authorization": f"Bearer {token('bob')}"}
        sent, end = 0, time.monotonic() + 10
        while time.monotonic() < end:
            answer = await gateway.client.get("/v1/rooms/1", headers=bob)
            sent += 1
            age = answer.headers["cache-control"].removeprefix("private, max-age=")
            await asyncio.sleep(int(age))
        assert 8 <= sent <= 12
