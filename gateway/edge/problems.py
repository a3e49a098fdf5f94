"""The one table from problem codes to HTTP, and its RFC 9457 bodies.

What a client is told about an error comes from here and from `InvalidRequest` alone. Texts of
exceptions and of the upstream are for the log.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from types import MappingProxyType
from typing import Annotated

import msgspec
from litestar.exceptions import HTTPException, MethodNotAllowedException, ValidationException
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR
from msgspec import Meta, Struct

from gateway.rooms import (
    FieldProblem,
    Forbidden,
    GatewayError,
    InvalidRequest,
    MissingScope,
    TokenMissing,
    Unauthenticated,
)

from .answers import NO_STORE, REPLAYED, Answer, allow, content

MEDIA_TYPE = "application/problem+json"


class Problem(Struct, frozen=True):
    """A row of the contract's error table; `detail` says what the client can do."""

    status: int
    title: str
    detail: str


PROBLEMS: Mapping[str, Problem] = MappingProxyType(
    {
        "invalid_request": Problem(
            400, "Invalid request", "The request is not valid; `errors` names each field."
        ),
        "token_missing": Problem(
            401, "Token missing", "Send a token as `Authorization: Bearer <token>`."
        ),
        "token_invalid": Problem(
            401, "Token invalid", "The token cannot be accepted; sign in again to get another."
        ),
        "token_expired": Problem(
            401, "Token expired", "The token has expired; refresh it and repeat the request."
        ),
        "not_room_anchor": Problem(
            403, "Not the room's anchor", "Only the anchor of this room may do this."
        ),
        "missing_scope": Problem(
            403, "Missing scope", "The token does not grant the scope that this needs."
        ),
        "csrf_required": Problem(
            403,
            "CSRF header required",
            "A write that a cookie signs in needs `X-Gateway-CSRF: 1` and an allowed `Origin`.",
        ),
        "room_not_found": Problem(
            404, "Room not found", "There is no such room, or it has been deleted."
        ),
        "not_found": Problem(404, "Not found", "There is nothing at this path."),
        "method_not_allowed": Problem(
            405, "Method not allowed", "Use one of the methods in the `Allow` header."
        ),
        "room_not_live": Problem(409, "Room not live", "The room has not gone live yet."),
        "idempotency_in_progress": Problem(
            409,
            "Still in progress",
            "The first request with this `Idempotency-Key` still runs; repeat it in a moment.",
        ),
        "body_too_large": Problem(
            413, "Body too large", "The body of a request may have 65536 bytes at most."
        ),
        "unsupported_media_type": Problem(
            415, "Unsupported media type", "Send the body as uncompressed `application/json`."
        ),
        "anchor_not_registered": Problem(
            422, "Anchor not registered", "The live service does not know this user yet."
        ),
        "idempotency_key_reused": Problem(
            422, "Idempotency key reused", "This `Idempotency-Key` was used for another body."
        ),
        "rate_limited": Problem(
            429, "Rate limited", "Too many requests; wait as long as `Retry-After` says."
        ),
        "internal_error": Problem(
            500, "Internal error", "Something went wrong here; quote `request_id` when you ask."
        ),
        "upstream_error": Problem(
            502, "Upstream error", "The live service could not carry this out."
        ),
        "upstream_unavailable": Problem(
            503,
            "Upstream unavailable",
            "The live service is not reachable just now; try again after `Retry-After`.",
        ),
        "overloaded": Problem(
            503, "Overloaded", "Too many requests at once; try again after `Retry-After`."
        ),
        "upstream_timeout": Problem(
            504, "Upstream timeout", "The live service did not answer in time; try again."
        ),
        "outcome_unknown": Problem(
            504,
            "Outcome unknown",
            "The live service did not confirm this; it may or may not have happened.",
        ),
    }
)
"""Every problem a client can meet, by its code."""

_BY_STATUS = MappingProxyType({404: "not_found", 405: "method_not_allowed"})


class CsrfRequired(Forbidden):
    """A cookie signs in a write that the app may not have meant."""

    code = "csrf_required"


class BodyTooLarge(GatewayError):
    """More bytes were sent than a request may have."""

    code = "body_too_large"


class UnsupportedMediaType(GatewayError):
    """The body is not uncompressed JSON."""

    code = "unsupported_media_type"


class RateLimited(GatewayError):
    """The user, or the address, has made too many requests."""

    code = "rate_limited"

    def __init__(self, retry_after: float) -> None:
        super().__init__()
        self.retry_after = retry_after


class Overloaded(GatewayError):
    """More requests are in flight than may be."""

    code = "overloaded"
    retry_after = 1.0


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


def code_of(error: Exception) -> str:
    """Return the code of the problem that `error` is to a client."""
    if isinstance(error, GatewayError):
        return error.code
    if isinstance(error, HTTPException):
        ours = error.status_code >= HTTP_500_INTERNAL_SERVER_ERROR
        return _BY_STATUS.get(error.status_code, "internal_error" if ours else "invalid_request")
    return "internal_error"


def render(error: Exception, request_id: str) -> Answer:
    """Return the response that tells a client of `error`."""
    code = code_of(error)
    problem = PROBLEMS[code]
    details = ProblemDetails(
        type=f"urn:gateway:problem:{code}",
        title=problem.title,
        status=problem.status,
        detail=problem.detail,
        code=code,
        request_id=request_id,
        errors=_errors(error),
    )
    body = msgspec.json.encode(details)
    headers = [(name.encode(), value.encode()) for name, value in _headers(error).items()]
    if isinstance(error, GatewayError) and error.replayed:
        headers.append(REPLAYED)
    return content(MEDIA_TYPE.encode(), body, NO_STORE, *headers, status=problem.status)


def _errors(error: Exception) -> Sequence[FieldProblem]:
    if isinstance(error, InvalidRequest):
        return error.problems
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        return tuple(FieldProblem(item["key"], item["message"]) for item in error.extra)
    if code_of(error) == "invalid_request":
        return (FieldProblem("request", "the request cannot be read"),)
    return ()


def _headers(error: Exception) -> Mapping[str, str]:
    if isinstance(error, GatewayError) and error.retry_after is not None:
        return {"retry-after": str(max(1, ceil(error.retry_after)))}
    if isinstance(error, BodyTooLarge):
        return {"connection": "close"}  # the server does so, with what is still to come unread
    if isinstance(error, Unauthenticated | MissingScope):
        return {"www-authenticate": _challenge(error)}
    if isinstance(error, MethodNotAllowedException):
        return {"allow": allow(*(error.headers or {}).get("allow", "").split(", "))}
    return {}


def _challenge(error: Unauthenticated | MissingScope) -> str:
    """Return what RFC 6750 §3 has a client told; nothing is said of a token that was not sent."""
    if isinstance(error, TokenMissing):
        return 'Bearer realm="gateway"'
    detail = f'error_description="{PROBLEMS[error.code].detail}"'
    if isinstance(error, MissingScope):
        scope = f'scope="{error.scope}"'
        return f'Bearer realm="gateway", error="insufficient_scope", {detail}, {scope}'
    return f'Bearer realm="gateway", error="invalid_token", {detail}'
