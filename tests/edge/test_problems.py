"""Problem details: the contract's table, RFC 9457 and RFC 6750."""

import json
import re
from collections.abc import Iterator

import pytest
from litestar.exceptions import (
    ClientException,
    HTTPException,
    InternalServerException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)

from gateway.edge import PROBLEMS
from gateway.edge.answers import Answer
from gateway.edge.problems import (
    MEDIA_TYPE,
    BodyTooLarge,
    CsrfRequired,
    InternalError,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    UnsupportedMediaType,
    code_of,
    render,
)
from gateway.events import TooManyStreams
from gateway.identity.tokens import MAX_TOKEN_BYTES
from gateway.rooms import (
    AnchorNotRegistered,
    FieldProblem,
    GatewayError,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    InvalidRequest,
    MissingScope,
    NotRoomAnchor,
    OutcomeUnknown,
    RateLimited,
    RoomEnded,
    RoomNotFound,
    RoomNotLive,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenTooLong,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
)

CONTRACT = {
    "invalid_request": 400,
    "token_missing": 401,
    "token_invalid": 401,
    "token_expired": 401,
    "not_room_anchor": 403,
    "missing_scope": 403,
    "csrf_required": 403,
    "room_not_found": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "room_not_live": 409,
    "room_ended": 409,
    "idempotency_in_progress": 409,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "anchor_not_registered": 422,
    "idempotency_key_reused": 422,
    "rate_limited": 429,
    "internal_error": 500,
    "upstream_error": 502,
    "upstream_unavailable": 503,
    "overloaded": 503,
    "upstream_timeout": 504,
    "outcome_unknown": 504,
}

CANARY = "canary-7d1f"

ERRORS: list[tuple[Exception, str]] = [
    (InvalidRequest(FieldProblem("title", "required")), "invalid_request"),
    (TokenMissing(CANARY), "token_missing"),
    (TokenInvalid(CANARY), "token_invalid"),
    (TokenExpired(CANARY), "token_expired"),
    (TokenTooLong(), "token_invalid"),
    (NotRoomAnchor(CANARY), "not_room_anchor"),
    (MissingScope("rooms:create"), "missing_scope"),
    (CsrfRequired(CANARY), "csrf_required"),
    (RoomNotFound(CANARY), "room_not_found"),
    (RoomNotLive(CANARY), "room_not_live"),
    (RoomEnded(CANARY), "room_ended"),
    (AnchorNotRegistered(CANARY), "anchor_not_registered"),
    (IdempotencyInProgress(CANARY), "idempotency_in_progress"),
    (IdempotencyKeyReused(CANARY), "idempotency_key_reused"),
    (UpstreamError(CANARY), "upstream_error"),
    (UpstreamTimeout(CANARY), "upstream_timeout"),
    (UpstreamUnavailable(CANARY, retry_after=1), "upstream_unavailable"),
    (OutcomeUnknown(CANARY), "outcome_unknown"),
    (BodyTooLarge(CANARY), "body_too_large"),
    (Overloaded(CANARY), "overloaded"),
    (RateLimited(2), "rate_limited"),
    (TooManyStreams(), "rate_limited"),
    (UnsupportedMediaType(CANARY), "unsupported_media_type"),
    (NotFound(CANARY), "not_found"),
    (MethodNotAllowed(CANARY), "method_not_allowed"),
    (InternalError(CANARY), "internal_error"),
    (NotFoundException(CANARY), "not_found"),
    (MethodNotAllowedException(CANARY), "method_not_allowed"),
    (ClientException(CANARY), "invalid_request"),
    (HTTPException(CANARY, status_code=418), "invalid_request"),
    (InternalServerException(CANARY), "internal_error"),
    (HTTPException(CANARY, status_code=503), "internal_error"),
    (ValueError(CANARY), "internal_error"),
    (RecursionError(CANARY), "internal_error"),
]


def rendered(error: Exception) -> Answer:
    """Return the response for `error`."""
    return render(error, "id-1")


def headers_of(error: Exception) -> dict[str, str]:
    """Return the headers of the response for `error`; fails where one stands twice."""
    headers = rendered(error).headers
    assert len(headers) == len(dict(headers))
    return {name.decode(): value.decode() for name, value in headers}


def test_the_table_is_the_contracts() -> None:
    """The table must have the contract's codes, each with its status, and no other."""
    assert {code: row.status for code, row in PROBLEMS.items()} == CONTRACT


def test_every_error_has_a_row() -> None:
    """Every class of error with a code must have its row, and a case in this module."""
    classes = {error for error in _family(GatewayError) if "code" in vars(error)}
    assert {row.error for row in PROBLEMS.values()} == classes
    tried = {type(error) for error, _ in ERRORS if isinstance(error, GatewayError)}
    assert tried == {*classes, TokenTooLong, TooManyStreams}


def _family(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _family(child)


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda value: type(value).__name__)
def test_an_error_becomes_problem_details(error: Exception, code: str) -> None:
    """The body must be RFC 9457's, agree with the status line, and be kept by nobody."""
    response = rendered(error)
    details = json.loads(response.body)
    assert code_of(error) == code
    headers = headers_of(error)
    assert headers["content-type"] == MEDIA_TYPE == "application/problem+json"
    assert headers["content-length"] == str(len(response.body))
    assert headers["cache-control"] == "no-store"
    assert response.status == details["status"] == CONTRACT[code]
    assert details["type"] == f"urn:gateway:problem:{code}"
    assert details["code"] == code
    assert details["request_id"] == "id-1"
    assert details["title"]
    assert details["detail"]
    assert ("errors" in details) == (code == "invalid_request")


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda value: type(value).__name__)
def test_the_text_of_an_error_is_not_shown(error: Exception, code: str) -> None:
    """An exception's text must be in no body and no header."""
    assert code in CONTRACT
    response = rendered(error)
    assert CANARY not in response.body.decode() + str(response.headers)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (RateLimited(0.001), "1"),
        (RateLimited(1200), "1200"),
        (RateLimited(1200.2), "1201"),
        (Overloaded(), "1"),
        (UpstreamUnavailable("open", retry_after=0.4), "1"),
        (IdempotencyInProgress(), "1"),
    ],
    ids=str,
)
def test_who_may_come_back_is_told_when(error: Exception, seconds: str) -> None:
    """`Retry-After` must be in whole seconds, never too few and never none."""
    assert headers_of(error)["retry-after"] == seconds


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda value: type(value).__name__)
def test_a_class_with_a_wait_has_it_in_every_instance(error: Exception, code: str) -> None:
    """The document can rely on a class for its `Retry-After`."""
    waits = PROBLEMS[code].error.retry_after is not None
    assert ("retry-after" in headers_of(error)) == waits


def test_each_wrong_field_is_named() -> None:
    """`errors` must have the field and the message of every problem, in order."""
    problems = (FieldProblem("title", "required"), FieldProblem("live_id", "must be …"))
    assert json.loads(rendered(InvalidRequest(*problems)).body)["errors"] == [
        {"field": "title", "message": "required"},
        {"field": "live_id", "message": "must be …"},
    ]


def test_the_frameworks_refusals_name_fields_too() -> None:
    """A parameter refused by the framework must be named like our own."""
    error = ValidationException(extra=[{"key": "page", "message": "not a number", "source": "q"}])
    assert json.loads(rendered(error).body)["errors"] == [
        {"field": "page", "message": "not a number"}
    ]


def test_a_token_that_is_too_long_is_told_so() -> None:
    """Whoever sends one is told the limit and what to do, and not to sign in again."""
    told = json.loads(rendered(TokenTooLong()).body)["detail"]
    assert f"more than {MAX_TOKEN_BYTES} bytes" in told
    assert "fewer claims" in told
    assert "sign in" not in told
    assert f'error_description="{told}"' in headers_of(TokenTooLong())["www-authenticate"]
    assert told not in rendered(TokenInvalid()).body.decode()


_QUOTED = r'"[\x20\x21\x23-\x5B\x5D-\x7E]*"'
_CHALLENGE = re.compile(rf"Bearer (\w+={_QUOTED})(, \w+={_QUOTED})*")


@pytest.mark.parametrize(
    ("error", "parameters"),
    [
        (TokenMissing(), {"realm"}),
        (TokenInvalid(), {"realm", "error", "error_description"}),
        (TokenExpired(), {"realm", "error", "error_description"}),
        (MissingScope("rooms:create"), {"realm", "error", "error_description", "scope"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_challenge_is_that_of_rfc_6750(error: Exception, parameters: set[str]) -> None:
    """A challenge must follow RFC 6750 §3: an `error` only where a token was sent."""
    challenge = headers_of(error)["www-authenticate"]
    assert _CHALLENGE.fullmatch(challenge)
    assert set(re.findall(r"(\w+)=", challenge)) == parameters
    if "error" in parameters:
        expected = "insufficient_scope" if "scope" in parameters else "invalid_token"
        assert f'error="{expected}"' in challenge


def test_only_tokens_and_scopes_are_challenged() -> None:
    """No other refusal may ask to sign in."""
    challenged = {code for error, code in ERRORS if "www-authenticate" in headers_of(error)}
    assert challenged == {"token_missing", "token_invalid", "token_expired", "missing_scope"}


@pytest.mark.parametrize(
    ("methods", "allow"),
    [
        ("GET, DELETE, OPTIONS", "DELETE, GET, HEAD, OPTIONS"),
        ("POST, OPTIONS", "OPTIONS, POST"),
        ("GET", "GET, HEAD"),
        ("", ""),
    ],
)
def test_allow_lists_head_beside_get(methods: str, allow: str) -> None:
    """A 405 must list the methods that work, HEAD wherever there is a GET."""
    error = MethodNotAllowedException(headers={"allow": methods})
    assert headers_of(error)["allow"] == allow


@pytest.mark.parametrize("kind", [AnchorNotRegistered, UpstreamError, OutcomeUnknown])
def test_a_problem_that_is_told_again_says_so(kind: type[GatewayError]) -> None:
    """A repeated problem must be as the first time, with one more header."""
    first, again = kind("first"), kind("again")
    again.replayed = True
    assert headers_of(again) == {**headers_of(first), "idempotency-replayed": "true"}
    assert "idempotency-replayed" not in headers_of(first)
    assert rendered(again).body == rendered(first).body
