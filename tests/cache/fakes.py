"""A clock that stands still until told, and an upstream that answers when told."""

import asyncio
from collections.abc import Callable

from msgspec import structs

from gateway.rooms import AnchorRoom
from tests.rooms.fakes import room_of


class Clock:
    """Seconds that pass by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class Upstream:
    """Counts reads; each waits for `gate` and gives the room, or raises `error`, of that moment.

    They are not sent before `line` is open.
    """

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.line = asyncio.Event()
        self.line.set()
        self.title = "first"
        self.error: Exception | None = None

    async def read(self, live_id: str, on_sent: Callable[[], None]) -> AnchorRoom:
        """Read a room as it was when the read was sent."""
        await self.line.wait()
        on_sent()
        self.reads.append(live_id)
        room = structs.replace(room_of(live_id=live_id), title=self.title)
        error = self.error
        await self.gate.wait()
        if error is not None:
            raise error
        return room
