"""The domain: rooms, who may see and do what with them, and how that can fail. No HTTP, no I/O."""

from .caller import Caller
from .creation import Creation, Creator, expiry_problems
from .errors import (
    AnchorNotRegistered,
    FieldProblem,
    Forbidden,
    GatewayError,
    IdempotencyInProgress,
    IdempotencyKeyReused,
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
    UpstreamUnavailable,
)
from .idempotency import Created, Failed, Outcome, Outcomes, Ticket
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
    "Created",
    "Creation",
    "Creator",
    "EncodedRoom",
    "Failed",
    "Fetched",
    "FieldProblem",
    "Forbidden",
    "GatewayError",
    "IdempotencyInProgress",
    "IdempotencyKeyReused",
    "InvalidRequest",
    "MissingScope",
    "NewRoom",
    "NotRoomAnchor",
    "Outcome",
    "OutcomeUnknown",
    "Outcomes",
    "RoomNotFound",
    "RoomNotLive",
    "RoomService",
    "Scopes",
    "Sighting",
    "Source",
    "Ticket",
    "TokenExpired",
    "TokenInvalid",
    "TokenMissing",
    "Unauthenticated",
    "UpstreamError",
    "UpstreamFailure",
    "UpstreamTimeout",
    "UpstreamUnavailable",
    "ViewerRoom",
    "expiry_problems",
]
