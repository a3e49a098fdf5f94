"""The sources from which a cache gets the rooms that it lacks."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec import Struct

from gateway.rooms import AnchorRoom, EncodedRoom, ViewerRoom

Sent = Callable[[], None]
"""Is called just before a request is sent upstream."""

Read = Callable[[str, Sent], Awaitable[AnchorRoom]]
"""Reads a room upstream."""

Encode = Callable[[ViewerRoom], EncodedRoom]
"""Encodes a room as JSON, with its ETag."""


class Loaded(Struct, frozen=True):
    """A room for a cache, fresh for so many seconds.

    `read` has both shapes if this process has just read it. `keep` is False for one that a write
    has overtaken.
    """

    room: EncodedRoom
    fresh: float
    read: AnchorRoom | None = None
    keep: bool = True


class Source(Protocol):
    """Loads rooms for a cache."""

    async def find(self, live_id: str) -> Loaded | None:
        """Return a room that others have read, None without one. Raises RoomNotFound."""

    def forget(self, live_id: str) -> None:
        """Do not keep what is being found: the room was evicted meanwhile."""

    def forget_all(self) -> None:
        """Do the same for all rooms."""

    async def load(self, live_id: str, on_sent: Sent, *, for_anchor: bool = False) -> Loaded:
        """Return a room, `for_anchor` one that this process has just read.

        Raises RoomNotFound or UpstreamFailure.
        """

    async def evict(self, live_id: str) -> None:
        """Have a room forgotten wherever else it is."""

    async def evict_as_missing(self, live_id: str) -> None:
        """Have a room forgotten, and known for a short time not to exist."""


class UpstreamRooms:
    """Rooms read upstream, each fresh for `fresh` seconds: the source without a shared store."""

    def __init__(self, read: Read, encode: Encode, fresh: float) -> None:
        self._read = read
        self._encode = encode
        self._fresh = fresh

    async def find(self, _: str) -> None:
        """Find nothing: there are no others."""

    def forget(self, live_id: str) -> None:
        """Do nothing, likewise."""

    def forget_all(self) -> None:
        """Do nothing, likewise."""

    async def load(
        self,
        live_id: str,
        on_sent: Sent,
        *,
        for_anchor: bool = False,  # noqa: ARG002  # every load is a read
    ) -> Loaded:
        """Read a room."""
        room = await self._read(live_id, on_sent)
        return Loaded(self._encode(room.for_viewers()), self._fresh, room)

    async def evict(self, live_id: str) -> None:
        """Do nothing: nobody else has the room."""

    async def evict_as_missing(self, live_id: str) -> None:
        """Do nothing, likewise."""
