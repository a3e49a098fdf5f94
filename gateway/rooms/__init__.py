"""The domain: rooms, who may see and do what with them, and how that can fail. No HTTP, no I/O."""

from .caller import Caller
from .errors import (
    AnchorNotRegistered,
    FieldProblem,
    Forbidden,
    GatewayError,
    InvalidRequest,
    MissingScope,
    NotRoomAnchor,
    OutcomeUnknown,
    RoomNotFound,
    RoomNotLive,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    Unauthenticated,
    UpstreamError,
    UpstreamFailure,
    UpstreamTimeout,
)
from .lookup import Batch, EncodedRoom, Fetched, Sighting, Source
from .policy import Scopes
from .room import Anchor, AnchorRoom, NewRoom, ViewerRoom
from .service import RoomService

__all__ = [
    "Anchor",
    "AnchorNotRegistered",
    "AnchorRoom",
    "Batch",
    "Caller",
    "EncodedRoom",
    "Fetched",
    "FieldProblem",
    "Forbidden",
    "GatewayError",
    "InvalidRequest",
    "MissingScope",
    "NewRoom",
    "NotRoomAnchor",
    "OutcomeUnknown",
    "RoomNotFound",
    "RoomNotLive",
    "RoomService",
    "Scopes",
    "Sighting",
    "Source",
    "TokenExpired",
    "TokenInvalid",
    "TokenMissing",
    "Unauthenticated",
    "UpstreamError",
    "UpstreamFailure",
    "UpstreamTimeout",
    "ViewerRoom",
]
