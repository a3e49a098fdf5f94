"""The errors of the domain.

GatewayError
├── InvalidRequest          the client's input breaks the contract.
├── Unauthenticated         no acceptable token.
│   ├── TokenMissing
│   ├── TokenInvalid
│   │   └── TokenTooLong    another sign-in gives no better one.
│   └── TokenExpired
├── Forbidden               an acceptable token without the right.
│   ├── NotRoomAnchor
│   └── MissingScope
├── RoomNotFound
├── RoomNotLive
├── RoomEnded
├── AnchorNotRegistered
├── IdempotencyKeyReused
├── IdempotencyInProgress   the first create with the key still runs.
├── RateLimited             this user or address asks too often.
├── Overloaded              too much is under way, of all users or of this one.
└── UpstreamFailure         no usable answer from the upstream.
    ├── UpstreamError       an unusable answer, a refusal, or no connection.
    ├── UpstreamTimeout     a read exceeded its deadline.
    │   └── Lagging         reads do not show this process's own write (`recent_writes`).
    ├── UpstreamUnavailable nothing was done: it is down, or it or our connections are busy.
    └── OutcomeUnknown      a write may or may not have happened.

ClientGone stands beside the tree, because nobody is left to be told.

Clients see the `code`; the edge has one table of codes and HTTP statuses. The text of an exception
is for the log and never reaches a client.
"""

from enum import StrEnum
from typing import ClassVar

from msgspec import Struct


class GatewayError(Exception):
    """The root of the tree; `code` names the problem to clients.

    `retry_after` is the time until a retry makes sense, in seconds, if known. `replayed` marks the
    outcome of an earlier request with the same idempotency key.
    """

    code: ClassVar[str]
    retry_after: float | None = None
    replayed: bool = False


class ClientGone(Exception):
    """The client has closed its connection; nobody waits for the answer."""


class FieldProblem(Struct, frozen=True):
    """A problem with one input: its name (`extends.k`, `live_id`) and the remedy."""

    field: str
    message: str


class InvalidRequest(GatewayError):
    """The request is not valid; `problems` has every invalid field."""

    code = "invalid_request"

    def __init__(self, *problems: FieldProblem) -> None:
        super().__init__(", ".join(problem.field for problem in problems))
        self.problems = problems


class TokenFault(StrEnum):
    """The reason for a 401, in logs and metrics."""

    MISSING = "missing"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    MALFORMED = "malformed"
    TOO_LONG = "too_long"
    ALGORITHM = "algorithm"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    ISSUER = "iss"
    AUDIENCE = "aud"
    USER = "user_claim"
    SEVERAL = "several_tokens"
    REFUSED = "refused_by_operator"
    CALLBACK = "callback"


class Unauthenticated(GatewayError):
    """The caller is not authenticated.

    `issuer` is the configured issuer that the token names, None without one.
    """

    fault: TokenFault
    issuer: str | None = None


class TokenMissing(Unauthenticated):
    """No bearer token was sent."""

    code = "token_missing"
    fault = TokenFault.MISSING


class TokenInvalid(Unauthenticated):
    """The token is not acceptable; the text is a short reason without the token's content."""

    code = "token_invalid"

    def __init__(self, reason: str = "", fault: TokenFault = TokenFault.MALFORMED) -> None:
        super().__init__(reason)
        self.fault = fault


class TokenTooLong(TokenInvalid):
    """The token has more than 8192 bytes."""

    def __init__(self) -> None:
        super().__init__("token is too long", TokenFault.TOO_LONG)


class TokenExpired(Unauthenticated):
    """The token has expired."""

    code = "token_expired"
    fault = TokenFault.EXPIRED


class Forbidden(GatewayError):
    """The caller is authenticated but may not do this."""


class NotRoomAnchor(Forbidden):
    """Only the room's anchor may do this, and in part an administrator."""

    code = "not_room_anchor"


class MissingScope(Forbidden):
    """The token lacks `scope`."""

    code = "missing_scope"

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.scope = scope


class RoomNotFound(GatewayError):
    """The upstream knows no such room, or has deleted it."""

    code = "room_not_found"


class RoomNotLive(GatewayError):
    """A room that is not living cannot be stopped."""

    code = "room_not_live"


class RoomEnded(GatewayError):
    """A room whose broadcast is over never goes live again."""

    code = "room_ended"


class AnchorNotRegistered(GatewayError):
    """The upstream does not know the anchor; `sent` is False if the create was not sent."""

    code = "anchor_not_registered"

    def __init__(self, reason: str = "", *, sent: bool = True) -> None:
        super().__init__(reason)
        self.sent = sent


class IdempotencyKeyReused(GatewayError):
    """The caller used this `Idempotency-Key` for another create."""

    code = "idempotency_key_reused"


class IdempotencyInProgress(GatewayError):
    """The first create with this `Idempotency-Key` is still running."""

    code = "idempotency_in_progress"
    retry_after = 1.0


class RateLimited(GatewayError):
    """The user, or the address, has made too many requests."""

    code = "rate_limited"
    retry_after = 1.0

    def __init__(self, retry_after: float) -> None:
        super().__init__()
        self.retry_after = retry_after


class Overloaded(GatewayError):
    """Too much is under way; nothing was done."""

    code = "overloaded"
    retry_after = 1.0


class UpstreamFailure(GatewayError):
    """No usable answer from the upstream; `sent` is False if the call certainly did nothing."""

    sent: bool = True


class UpstreamError(UpstreamFailure):
    """The upstream gave an unusable answer, refused the call or the connection."""

    code = "upstream_error"

    def __init__(self, reason: str, *, sent: bool = True) -> None:
        super().__init__(reason)
        self.sent = sent


class UpstreamTimeout(UpstreamFailure):
    """A read got no complete answer within its deadline."""

    code = "upstream_timeout"


class UpstreamUnavailable(UpstreamFailure):
    """Nothing was done: the upstream is down or flooded, or all connections to it are busy."""

    code = "upstream_unavailable"
    sent = False
    retry_after = 1.0

    def __init__(self, reason: str, *, retry_after: float) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class OutcomeUnknown(UpstreamFailure):
    """A write was sent without a usable answer: it may or may not have happened."""

    code = "outcome_unknown"
