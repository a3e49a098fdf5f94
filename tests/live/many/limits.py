"""One user who asks several gateways at once, as fast as they answer or at a pace."""

import asyncio
import time
from collections.abc import Sequence

from msgspec import Struct

from tests.bench.client import Connection, request
from tests.leaks.canaries import token
from tests.live.crowd import named


class Asked(Struct, frozen=True):
    """How many requests were let through, of how many, in how many seconds."""

    passed: int
    sent: int
    seconds: float

    def times(self, burst: int, per_second: float) -> float:
        """Return the share of what one limit lets through in this time."""
        return self.passed / (burst + per_second * self.seconds)


async def insist(
    ports: Sequence[int], seconds: float, asked: str = "read", pace: float = 0, user: str = "eager"
) -> Asked:
    """Read or stop a room of one user's at all ports for so long.

    Without a pace on four connections a port; with one, so many requests a second at each port.
    """
    bearer = token(user)
    method, path = _REQUESTS[asked]
    pieces = request(method, path, bearer)
    passed = sent = 0
    began = time.monotonic()

    async def ask(port: int) -> None:
        nonlocal passed, sent
        connection, number = Connection(port), 0
        while (now := time.monotonic()) < began + seconds:
            if pace and now < (due := began + number / pace):
                await asyncio.sleep(due - now)
            answer = await connection.ask(pieces)
            number += 1
            sent += 1
            told = named(answer)
            assert told in {"200", "204", "404 room_not_found", "403 not_room_anchor", _REFUSED}, (
                told
            )
            passed += told != _REFUSED
        connection.drop()

    await asyncio.gather(*(ask(port) for port in ports for _ in range(1 if pace else 4)))
    return Asked(passed, sent, time.monotonic() - began)


_REFUSED = "429 rate_limited"
_REQUESTS = {
    "read": ("GET", "/v1/rooms/room-limited"),
    "stop": ("POST", "/v1/rooms/room-limited/stop"),
}
