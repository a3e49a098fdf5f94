"""Everything a request can end in besides success.

GatewayError
├── InvalidRequest          the client's input breaks the contract
├── Unauthenticated
│   ├── TokenMissing
│   ├── TokenInvalid
│   └── TokenExpired
├── Forbidden
│   ├── NotRoomAnchor
│   └── MissingScope
├── RoomNotFound
├── RoomNotLive
├── AnchorNotRegistered
├── IdempotencyKeyReused
├── IdempotencyInProgress
└── UpstreamFailure         the upstream could not be made to answer
    ├── UpstreamError       it answered something unusable or refused the call
    ├── UpstreamTimeout     a read ran out of time
    ├── UpstreamUnavailable it was not asked: it is down, or all connections are busy
    └── OutcomeUnknown      a write may or may not have happened

`code` is the name clients see; the edge's one table turns it into an HTTP status. The text of
an exception is for the log and never reaches a client.
"""

from typing import ClassVar

from msgspec import Struct


class GatewayError(Exception):
    """The root: `code` names the problem in the contract's table.

    `retry_after` is in how many seconds another try makes sense, where that is known; `replayed`
    says that an earlier request ended so, and this one is told the same.
    """

    code: ClassVar[str]
    retry_after: float | None = None
    replayed: bool = False


class FieldProblem(Struct, frozen=True):
    """One thing wrong with one input: where (`extends.k`, `live_id`) and what to do about it."""

    field: str
    message: str


class InvalidRequest(GatewayError):
    """The request is not valid; `problems` names each field, all at once."""

    code = "invalid_request"

    def __init__(self, *problems: FieldProblem) -> None:
        super().__init__(", ".join(problem.field for problem in problems))
        self.problems = problems


class Unauthenticated(GatewayError):
    """The caller did not prove who they are."""


class TokenMissing(Unauthenticated):
    """No bearer token was sent."""

    code = "token_missing"


class TokenInvalid(Unauthenticated):
    """The token cannot be accepted; the text is a short reason without any of its content."""

    code = "token_invalid"


class TokenExpired(Unauthenticated):
    """The token was good once."""

    code = "token_expired"


class Forbidden(GatewayError):
    """The caller is known and may not do this."""


class NotRoomAnchor(Forbidden):
    """Only the room's anchor, or an administrator, may do this."""

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
    """A stop was asked of a room that is not living."""

    code = "room_not_live"


class AnchorNotRegistered(GatewayError):
    """The upstream does not know the user who should become the anchor."""

    code = "anchor_not_registered"


class IdempotencyKeyReused(GatewayError):
    """The caller has used this `Idempotency-Key` for another create."""

    code = "idempotency_key_reused"


class IdempotencyInProgress(GatewayError):
    """The first create with this `Idempotency-Key` has not ended yet."""

    code = "idempotency_in_progress"
    retry_after = 1.0


class UpstreamFailure(GatewayError):
    """The upstream could not be made to answer; `sent` unless it certainly was not even asked."""

    sent: bool = True


class UpstreamError(UpstreamFailure):
    """The upstream answered something unusable, refused the call, or could not be connected to."""

    code = "upstream_error"

    def __init__(self, reason: str, *, sent: bool = True) -> None:
        super().__init__(reason)
        self.sent = sent


class UpstreamTimeout(UpstreamFailure):
    """A read got no whole answer within its deadline."""

    code = "upstream_timeout"


class UpstreamUnavailable(UpstreamFailure):
    """The upstream was not asked: it is down, or all connections to it are busy."""

    code = "upstream_unavailable"
    sent = False
    retry_after = 1.0

    def __init__(self, reason: str, *, retry_after: float) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class OutcomeUnknown(UpstreamFailure):
    """A write was sent and no usable answer came back: it may or may not have happened."""

    code = "outcome_unknown"
