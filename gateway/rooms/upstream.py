"""What the domain asks of the vendor's service."""

from typing import Protocol

from .room import AnchorRoom, NewRoom


class Upstream(Protocol):
    """The vendor's four calls. They raise what `errors` lists."""

    async def create(self, room: NewRoom) -> AnchorRoom:
        """Create a room."""
        ...

    async def read(self, live_id: str) -> AnchorRoom:
        """Read a room."""
        ...

    async def stop(self, live_id: str) -> None:
        """End a room's broadcast."""
        ...

    async def delete(self, live_id: str) -> None:
        """Delete a room."""
        ...
