"""The sources from which a cache gets the rooms that it lacks, or the pages of living rooms."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from gateway.rooms import EncodedRoom


class Readable(Protocol):
    """A room or a page as it was read."""

    def for_viewers(self) -> Any:  # noqa: ANN401  # another type for each kind
        """Return the part of it that viewers may see."""


R = TypeVar("R", bound=Readable)
"""A room, or a page, as it was read."""

Sent = Callable[[], None]
"""Is called just before a request is sent upstream."""

Read = Callable[[str, Sent], Awaitable[R]]
"""Reads a room upstream, by its id, or a page by its name."""

Encode = Callable[[Any], EncodedRoom]
"""Encodes the part of it that viewers may see as JSON, with its ETag."""


Restore = Callable[[str, bytes, bytes], EncodedRoom]
"""Returns what was encoded, from its anchor's id, its JSON and its ETag."""


class Loaded(Struct, Generic[R], frozen=True):
    """A room for a cache, fresh for so many seconds.

    `read` is the room as read if this process has just read it. `keep` is False for one that a
    write has overtaken.
    """

    room: EncodedRoom
    fresh: float
    read: R | None = None
    keep: bool = True


class Source(Protocol[R]):
    """Loads rooms for a cache."""

    async def find(self, live_id: str) -> Loaded[R] | None:
        """Return a room that others have read, None without one. Raises RoomNotFound."""

    def forget(self, live_id: str) -> None:
        """Do not keep what is being found: the room was evicted meanwhile."""

    def forget_all(self) -> None:
        """Do the same for all rooms."""

    async def load(self, live_id: str, on_sent: Sent, *, for_anchor: bool = False) -> Loaded[R]:
        """Return a room, `for_anchor` one that this process has just read.

        Raises RoomNotFound or UpstreamFailure.
        """

    async def evict(self, live_id: str) -> None:
        """Have a room forgotten wherever else it is."""

    async def evict_as_missing(self, live_id: str) -> None:
        """Have a room forgotten, and known for a short time not to exist."""


class UpstreamRooms(Generic[R]):
    """Rooms read upstream, each fresh for `fresh` seconds: the source without a shared store."""

    def __init__(self, read: Read[R], encode: Encode, fresh: float) -> None:
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
    ) -> Loaded[R]:
        """Read a room."""
        room = await self._read(live_id, on_sent)
        return Loaded(self._encode(room.for_viewers()), self._fresh, room)

    async def evict(self, live_id: str) -> None:
        """Do nothing: nobody else has the room."""

    async def evict_as_missing(self, live_id: str) -> None:
        """Do nothing, likewise."""
