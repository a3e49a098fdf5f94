"""A clock that stands still until told, and an upstream that answers when told."""

import asyncio

from gateway.rooms import Anchor, AnchorRoom

SECRET = "rtmp://push.invalid/live?token=only-for-the-anchor"


class Clock:
    """Seconds that pass by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class Upstream:
    """Counts reads; each waits for `gate` and gives the room, or raises `error`, of that moment."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.title = "first"
        self.error: Exception | None = None

    async def read(self, live_id: str, _request_id: str) -> AnchorRoom:
        """Read a room as it was when the read began."""
        self.reads.append(live_id)
        room, error = room_named(live_id, self.title), self.error
        await self.gate.wait()
        if error is not None:
            raise error
        return room


def room_named(live_id: str, title: str) -> AnchorRoom:
    """Return a room of alice's."""
    return AnchorRoom(
        live_id=live_id,
        title=title,
        notice="",
        cover_url="",
        extends={},
        anchor_info=Anchor("alice", 1, "Alice", "", {}),
        anchor_status=1,
        pk_id="",
        online_count=0,
        start_time=None,
        end_time=None,
        chat_id=1,
        push_url=SECRET,
        hls_url="",
        rtmp_url="",
        flv_url="",
        pv=0,
        uv=0,
        live_status=1,
    )
