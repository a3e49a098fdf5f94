"""What the gateway does with rooms: the rules of `policy` applied around the upstream's calls.

Stop and delete read the room first, because only the room says whose it is. Builds of the vendor's
service are known to carry a stop out and still answer with an error, so after a refused write the
room is read once more before the caller is told that it failed.
"""

from typing import Protocol

from . import policy
from .caller import Caller
from .errors import GatewayError, RoomNotFound, RoomNotLive, UpstreamError
from .room import AnchorRoom, NewRoom, ViewerRoom


class Upstream(Protocol):
    """The vendor's four calls; `request_id` goes with each. They raise what `errors` lists."""

    async def create(self, room: NewRoom, request_id: str) -> AnchorRoom:
        """Create a room."""
        ...

    async def read(self, live_id: str, request_id: str) -> AnchorRoom:
        """Read a room."""
        ...

    async def stop(self, live_id: str, request_id: str) -> None:
        """End a room's broadcast."""
        ...

    async def delete(self, live_id: str, request_id: str) -> None:
        """Delete a room."""
        ...


class RoomService:
    """Create, get, stop and delete rooms for a caller."""

    def __init__(self, upstream: Upstream, scopes: policy.Scopes) -> None:
        self._upstream = upstream
        self._scopes = scopes

    async def create(
        self, caller: Caller, room: NewRoom, request_id: str
    ) -> ViewerRoom | AnchorRoom:
        """Create a room, upstream at most once; return it in the caller's shape.

        Raises MissingScope, AnchorNotRegistered, UpstreamError or OutcomeUnknown.
        """
        policy.require_create(caller, room.anchor_id, self._scopes)
        return policy.shape_for(caller, await self._upstream.create(room, request_id))

    async def get(self, caller: Caller, live_id: str, request_id: str) -> ViewerRoom | AnchorRoom:
        """Return a room in the caller's shape.

        Raises RoomNotFound, UpstreamError or UpstreamTimeout.
        """
        return policy.shape_for(caller, await self._upstream.read(live_id, request_id))

    async def stop(self, caller: Caller, live_id: str, request_id: str) -> None:
        """End a room's broadcast; one that has ended already stays so.

        Raises NotRoomAnchor, RoomNotFound, RoomNotLive, UpstreamFailure.
        """
        room = await self._upstream.read(live_id, request_id)
        policy.require_control(caller, room, self._scopes)
        if room.has_ended:
            return
        try:
            await self._upstream.stop(live_id, request_id)
        except (RoomNotLive, UpstreamError):
            if not await self._has_ended(live_id, request_id):
                raise

    async def delete(self, caller: Caller, live_id: str, request_id: str) -> None:
        """Delete a room. Raises NotRoomAnchor, RoomNotFound, UpstreamFailure."""
        room = await self._upstream.read(live_id, request_id)
        policy.require_control(caller, room, self._scopes)
        try:
            await self._upstream.delete(live_id, request_id)
        except UpstreamError:
            if not await self._is_gone(live_id, request_id):
                raise

    async def _has_ended(self, live_id: str, request_id: str) -> bool:
        try:
            return (await self._upstream.read(live_id, request_id)).has_ended
        except GatewayError:
            return False

    async def _is_gone(self, live_id: str, request_id: str) -> bool:
        try:
            await self._upstream.read(live_id, request_id)
        except RoomNotFound:
            return True
        except GatewayError:
            return False
        return False
