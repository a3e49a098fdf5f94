"""The domain: rooms, the rules of access to them, errors, and ports. No HTTP, no I/O."""

from .caller import Caller
from .creation import Creation, Creator, expiry_problems
from .errors import (
    AnchorNotRegistered,
    ClientGone,
    FieldProblem,
    Forbidden,
    GatewayError,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    InvalidRequest,
    MissingScope,
    NotRoomAnchor,
    OutcomeUnknown,
    Overloaded,
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
from .fair_share import FairShare, share_of
from .idempotency import Created, Failed, IdempotencyClaim, Outcome
from .identifiers import (
    IDEMPOTENCY_KEY,
    LIVE_ID,
    USER_ID,
    is_idempotency_key,
    is_live_id,
    is_request_id,
    is_user_id,
)
from .lookup import Batch, CachedRoom, EncodedRoom, FreshRoom, LookupResult
from .patience import Patience
from .policy import Scopes
from .ports import Anchors, IdempotencyStore, Quota, RateLimiter, RoomCache, Upstream
from .read_your_writes import LagTolerantRoomCache, LagTolerantUpstream
from .recent_writes import Lagging, RecentWrites
from .room import UNREADABLE_PUSH_URL, Anchor, AnchorRoom, NewRoom, ViewerRoom
from .service import RoomService
from .stored_size import stored_size

__all__ = [
    "IDEMPOTENCY_KEY",
    "LIVE_ID",
    "UNREADABLE_PUSH_URL",
    "USER_ID",
    "Anchor",
    "AnchorNotRegistered",
    "AnchorRoom",
    "Anchors",
    "Batch",
    "CachedRoom",
    "Caller",
    "ClientGone",
    "Created",
    "Creation",
    "Creator",
    "EncodedRoom",
    "Failed",
    "FairShare",
    "FieldProblem",
    "Forbidden",
    "FreshRoom",
    "GatewayError",
    "IdempotencyClaim",
    "IdempotencyInProgress",
    "IdempotencyKeyReused",
    "IdempotencyStore",
    "InvalidRequest",
    "LagTolerantRoomCache",
    "LagTolerantUpstream",
    "Lagging",
    "LookupResult",
    "MissingScope",
    "NewRoom",
    "NotRoomAnchor",
    "Outcome",
    "OutcomeUnknown",
    "Overloaded",
    "Patience",
    "Quota",
    "RateLimiter",
    "RecentWrites",
    "RoomCache",
    "RoomNotFound",
    "RoomNotLive",
    "RoomService",
    "Scopes",
    "TokenExpired",
    "TokenInvalid",
    "TokenMissing",
    "Unauthenticated",
    "Upstream",
    "UpstreamError",
    "UpstreamFailure",
    "UpstreamTimeout",
    "UpstreamUnavailable",
    "ViewerRoom",
    "expiry_problems",
    "is_idempotency_key",
    "is_live_id",
    "is_request_id",
    "is_user_id",
    "share_of",
    "stored_size",
]
