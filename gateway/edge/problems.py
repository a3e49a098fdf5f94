"""The one table from errors to HTTP, and its RFC 9457 bodies.

Each class of error has its `code`; each row of the table has everything else that a client is told.
Texts of exceptions and of the upstream are for the log only.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from types import MappingProxyType
from typing import Annotated

import msgspec
from litestar.exceptions import HTTPException, MethodNotAllowedException, ValidationException
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR
from msgspec import Meta, Struct

from gateway.events import TooManyStreams
from gateway.rooms import (
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
    Overloaded,
    RateLimited,
    RoomEnded,
    RoomNotFound,
    RoomNotLive,
    TokenExpired,
    TokenFault,
    TokenInvalid,
    TokenMissing,
    TokenTooLong,
    Unauthenticated,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
)

from .answers import NO_STORE, REPLAYED, Answer, allow, content

MEDIA_TYPE = "application/problem+json"


class CsrfRequired(Forbidden):
    """A cookie-authenticated write without proof of intent."""

    code = "csrf_required"


class NotFound(GatewayError):
    """No route has this path."""

    code = "not_found"


class MethodNotAllowed(GatewayError):
    """The path has no such method."""

    code = "method_not_allowed"


class BodyTooLarge(GatewayError):
    """The request's body is over the limit."""

    code = "body_too_large"


class UnsupportedMediaType(GatewayError):
    """The body is not uncompressed JSON."""

    code = "unsupported_media_type"


class VendorUnknown(TokenInvalid):
    """A callback without the vendor's credentials."""

    def __init__(self) -> None:
        super().__init__("not the credentials of the vendor's callbacks", TokenFault.CALLBACK)


class InternalError(GatewayError):
    """A fault of the gateway."""

    code = "internal_error"


class Problem(Struct, frozen=True):
    """An error as HTTP tells it; `detail` tells the client what to do."""

    error: type[GatewayError]
    status: int
    title: str
    detail: str


def _row(
    error: type[GatewayError], status: int, detail: str, *, title: str | None = None
) -> Problem:
    """Return a row of the table; the default title is the code in words."""
    return Problem(error, status, title or error.code.replace("_", " ").capitalize(), detail)


_ROWS = (
    _row(InvalidRequest, 400, "The request is not valid; `errors` names each field."),
    _row(TokenMissing, 401, "Send a token as `Authorization: Bearer <token>`."),
    _row(TokenInvalid, 401, "The token cannot be accepted; sign in again to get another."),
    _row(TokenExpired, 401, "The token has expired; refresh it and repeat the request."),
    _row(
        NotRoomAnchor,
        403,
        "Only the anchor of this room may do this.",
        title="Not the room's anchor",
    ),
    _row(MissingScope, 403, "The token does not grant the scope that this needs."),
    _row(
        CsrfRequired,
        403,
        "A write that a cookie signs in needs `X-Gateway-CSRF: 1` and an allowed `Origin`, or "
        "without one `Sec-Fetch-Site: same-origin`.",
        title="CSRF header required",
    ),
    _row(RoomNotFound, 404, "There is no such room, or it has been deleted."),
    _row(NotFound, 404, "There is nothing at this path."),
    _row(MethodNotAllowed, 405, "Use one of the methods in the `Allow` header."),
    _row(RoomNotLive, 409, "The room has not gone live yet."),
    _row(RoomEnded, 409, "The room's broadcast is over; create another room."),
    _row(
        IdempotencyInProgress,
        409,
        "The first request with this `Idempotency-Key` still runs; repeat it in a moment.",
        title="Still in progress",
    ),
    _row(BodyTooLarge, 413, "The body of a request may have 65536 bytes at most."),
    _row(UnsupportedMediaType, 415, "Send the body as uncompressed `application/json`."),
    _row(AnchorNotRegistered, 422, "The live service does not know this user yet."),
    _row(IdempotencyKeyReused, 422, "This `Idempotency-Key` was used for another body."),
    _row(RateLimited, 429, "Too many requests; wait as long as `Retry-After` says."),
    _row(InternalError, 500, "Something went wrong here; quote `request_id` when you ask."),
    _row(UpstreamError, 502, "The live service could not carry this out."),
    _row(
        UpstreamUnavailable,
        503,
        "The live service is not reachable just now; try again after `Retry-After`.",
    ),
    _row(Overloaded, 503, "Too many requests at once; try again after `Retry-After`."),
    _row(UpstreamTimeout, 504, "The live service did not answer in time; try again."),
    _row(
        OutcomeUnknown,
        504,
        "The live service did not confirm this; it may or may not have happened.",
    ),
)

PROBLEMS: Mapping[str, Problem] = MappingProxyType({row.error.code: row for row in _ROWS})
"""Every problem a client can meet, by its code."""

_SPECIAL_ROWS = (
    _row(
        TokenTooLong,
        401,
        "The token has more than 8192 bytes; ask the operator for one with fewer claims or groups.",
    ),
    _row(
        TooManyStreams,
        429,
        "You have as many event streams open as one user may have; close one, then try again.",
    ),
    _row(
        VendorUnknown,
        401,
        "Only the vendor may call this, with the credentials in the URL that is configured there.",
    ),
)
_SPECIAL: Mapping[type[Exception], Problem] = MappingProxyType(
    {row.error: row for row in _SPECIAL_ROWS}
)
"""Errors that the detail of their code would mislead."""

_BY_STATUS = MappingProxyType({404: NotFound, 405: MethodNotAllowed})


class ProblemDetails(Struct, frozen=True, omit_defaults=True):
    """A problem as clients see it (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: Annotated[
        Sequence[FieldProblem], Meta(description="Each field that is wrong; only in a 400.")
    ] = ()


def details(row: Problem, request_id: str, errors: Sequence[FieldProblem] = ()) -> ProblemDetails:
    """Return the body of a problem."""
    code = row.error.code
    kind = f"urn:gateway:problem:{code}"
    return ProblemDetails(kind, row.title, row.status, row.detail, code, request_id, errors)


def code_of(error: Exception) -> str:
    """Return the code of the problem that a client gets for `error`."""
    if isinstance(error, GatewayError):
        return error.code
    if isinstance(error, HTTPException) and error.status_code < HTTP_500_INTERNAL_SERVER_ERROR:
        return _BY_STATUS.get(error.status_code, InvalidRequest).code
    return InternalError.code


def render(error: Exception, request_id: str, metadata: str | None = None) -> Answer:
    """Return the problem response for `error`; a challenge names the resource's `metadata`."""
    problem = details(_row_of(error), request_id, _errors(error))
    headers = [(name.encode(), value.encode()) for name, value in _headers(error, metadata).items()]
    if isinstance(error, GatewayError) and error.replayed:
        headers.append(REPLAYED)
    body = msgspec.json.encode(problem)
    return content(MEDIA_TYPE.encode(), body, NO_STORE, *headers, status=problem.status)


def _row_of(error: Exception) -> Problem:
    return _SPECIAL.get(type(error)) or PROBLEMS[code_of(error)]


def _errors(error: Exception) -> Sequence[FieldProblem]:
    if isinstance(error, InvalidRequest):
        return error.problems
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        return tuple(FieldProblem(item["key"], item["message"]) for item in error.extra)
    if code_of(error) == InvalidRequest.code:
        return (FieldProblem("request", "the request cannot be read"),)
    return ()


def _headers(error: Exception, metadata: str | None) -> Mapping[str, str]:
    if isinstance(error, GatewayError) and error.retry_after is not None:
        return {"retry-after": str(max(1, ceil(error.retry_after)))}
    if isinstance(error, BodyTooLarge):
        return {"connection": "close"}  # the server closes it, the rest of the body unread
    if isinstance(error, UnsupportedMediaType):
        return {"accept": "application/json"}
    if isinstance(error, Unauthenticated | MissingScope):
        return {"www-authenticate": _challenge(error, metadata)}
    if isinstance(error, MethodNotAllowedException):
        return {"allow": allow(*(error.headers or {}).get("allow", "").split(", "))}
    return {}


def _challenge(error: Unauthenticated | MissingScope, metadata: str | None) -> str:
    """Return the challenge of RFC 6750 §3 to a caller, that of RFC 7617 to the vendor."""
    if isinstance(error, VendorUnknown):
        return 'Basic realm="callbacks"'
    named = "" if metadata is None else f', resource_metadata="{metadata}"'
    return _bearer_challenge(error) + named


def _bearer_challenge(error: Unauthenticated | MissingScope) -> str:
    """Return the challenge without metadata; a missing token has no error to name."""
    if isinstance(error, TokenMissing):
        return 'Bearer realm="gateway"'
    detail = f'error_description="{_row_of(error).detail}"'
    if isinstance(error, MissingScope):
        scope = f'scope="{error.scope}"'
        return f'Bearer realm="gateway", error="insufficient_scope", {detail}, {scope}'
    return f'Bearer realm="gateway", error="invalid_token", {detail}'
