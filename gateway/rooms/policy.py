"""Access rules, as pure functions of the caller and the room.

- Only a room's own anchor sees its `push_url`; administrators do not. All others get a shape
  without the field, so that no later step can leak it.
- The anchor and administrators may stop and delete a room.
- Only the anchor may start a room and keep it living: both are done in the anchor's name.
- Everyone may create a room for themselves, unless a scope is configured. Administrators may create
  rooms for others.
"""

from msgspec import Struct

from .caller import Caller
from .errors import MissingScope, NotRoomAnchor, UpstreamError
from .room import UNREADABLE_PUSH_URL, AnchorRoom, ViewerRoom


class Scopes(Struct, frozen=True):
    """The scopes that the rules require; `create` None lets every caller create."""

    admin: str
    create: str | None = None


def is_anchor(caller: Caller, room: AnchorRoom | ViewerRoom) -> bool:
    """Return whether the caller is the room's anchor."""
    return caller.user_id == room.anchor_info.user_id


def shape_for(caller: Caller, room: AnchorRoom) -> ViewerRoom | AnchorRoom:
    """Return `room` in the shape that the caller may see; raises as `with_push_url`."""
    return with_push_url(room) if is_anchor(caller, room) else room.for_viewers()


def with_push_url(room: AnchorRoom) -> AnchorRoom:
    """Return `room` for its anchor; raise UpstreamError if its `push_url` was unreadable."""
    if room.push_url is UNREADABLE_PUSH_URL:
        raise UpstreamError("the room in the reply has no readable push_url")
    return room


def require_control(caller: Caller, room: AnchorRoom, scopes: Scopes) -> None:
    """Raise NotRoomAnchor unless the caller may stop and delete `room`."""
    if not is_anchor(caller, room) and scopes.admin not in caller.scopes:
        raise NotRoomAnchor(room.live_id)


def require_anchor(caller: Caller, room: AnchorRoom) -> None:
    """Raise NotRoomAnchor unless the caller is the anchor of `room`."""
    if not is_anchor(caller, room):
        raise NotRoomAnchor(room.live_id)


def require_create(caller: Caller, anchor_id: str, scopes: Scopes) -> None:
    """Raise MissingScope unless the caller may create a room for `anchor_id`."""
    if scopes.create is not None and scopes.create not in caller.scopes:
        raise MissingScope(scopes.create)
    if anchor_id != caller.user_id and scopes.admin not in caller.scopes:
        raise MissingScope(scopes.admin)
