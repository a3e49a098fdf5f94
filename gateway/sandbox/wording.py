"""The vendor's replies in each dialect.

`documented` follows the public documentation and the service's develop branch. `legacy` follows its
master branch and the tags up to v0.2.0, with HTTP 200 for most refusals. A `message` of None is the
text of the error: the driver's, the parser's.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"

DialectName = Literal["documented", "legacy"]


class Wording(Struct, frozen=True):
    """A reply: HTTP status, envelope code, message (None: the error's text), content type."""

    status: int
    code: int
    message: str | None
    content_type: str = JSON


class Dialect(Struct, frozen=True, kw_only=True):
    """One reply for each case, and what differs in behaviour.

    `panicked` is None where a panic gives an empty 500. `echoes_request_id`: `X-Reqid` is also a
    header of replies. `censor_matters`: a create or stop fails with the censor.
    """

    success: Wording
    user_success: Wording
    bad_signature: Wording
    bad_request: Wording
    anchor_unknown: Wording
    anchor_lookup_failed: Wording
    create_failed: Wording
    read_failed: Wording
    lookup_failed: Wording
    stop_failed: Wording
    delete_failed: Wording
    user_bad_json: Wording
    user_bad_request: Wording
    user_exists: Wording
    register_failed: Wording
    user_unknown: Wording
    user_lookup_failed: Wording
    token_expired: Wording
    client_unknown: Wording
    client_lookup_failed: Wording
    start_failed: Wording
    join_failed: Wording
    heartbeat_failed: Wording
    list_bad_request: Wording
    list_failed: Wording
    panicked: Wording | None
    echoes_request_id: bool
    censor_matters: bool


class Outcome(Struct, frozen=True):
    """A reply to be worded: data if any, and the text of an error. No wording: a panic."""

    wording: Wording | None
    data: object | UnsetType = UNSET
    error: str = ""


_INTERNAL = Wording(500, 500, "Internal Server Error")
_INVALID = "The arguments you provide is invalid."

DIALECTS: Mapping[DialectName, Dialect] = MappingProxyType(
    {
        "documented": Dialect(
            success=Wording(200, 0, ""),
            user_success=Wording(200, 0, ""),
            bad_signature=Wording(401, 401, "Unauthorized"),
            bad_request=Wording(400, 400, None, TEXT),
            anchor_unknown=Wording(404, 404, "Not Found"),
            anchor_lookup_failed=_INTERNAL,
            create_failed=Wording(500, 500, None),
            read_failed=Wording(500, 500, None),
            lookup_failed=Wording(500, 500, None),
            stop_failed=Wording(500, 500, None),
            delete_failed=Wording(500, 500, None),
            user_bad_json=Wording(400, 400, None, TEXT),
            user_bad_request=Wording(400, 400, None),
            user_exists=Wording(400, 10001, "Already existed"),
            register_failed=_INTERNAL,
            user_unknown=Wording(404, 404, "Not Found"),
            user_lookup_failed=_INTERNAL,
            token_expired=Wording(401, 499, "Your token is expired"),
            client_unknown=Wording(401, 401, "Unauthorized"),
            client_lookup_failed=Wording(401, 401, "Unauthorized"),
            start_failed=Wording(500, 500, None),
            join_failed=Wording(500, 500, None),
            heartbeat_failed=Wording(500, 500, None),
            list_bad_request=Wording(400, 400, None),
            list_failed=Wording(500, 500, None),
            panicked=Wording(
                500, 500, "runtime error: invalid memory address or nil pointer dereference"
            ),
            echoes_request_id=True,
            censor_matters=False,
        ),
        "legacy": Dialect(
            success=Wording(200, 200, "success"),
            user_success=Wording(200, 0, "success"),
            bad_signature=Wording(401, 401, "Your authorization token is invalid"),
            bad_request=Wording(400, 400, "invalid request", TEXT),
            anchor_unknown=Wording(200, 404, "Not found"),
            anchor_lookup_failed=Wording(200, 602, "Database error"),
            create_failed=Wording(200, 500, "create live failed"),
            read_failed=Wording(200, 500, "create live failed"),
            lookup_failed=Wording(200, 501, None),
            stop_failed=Wording(500, 501, None),
            delete_failed=Wording(500, 500, "delete live failed"),
            user_bad_json=Wording(400, 400, _INVALID, TEXT),
            user_bad_request=Wording(400, 400, _INVALID),
            user_exists=Wording(500, 500, "Internal error"),
            register_failed=Wording(500, 500, "Internal error"),
            user_unknown=Wording(404, 500, "Internal error"),
            user_lookup_failed=Wording(404, 500, "Internal error"),
            token_expired=Wording(401, 499, "Your token is expired"),
            client_unknown=Wording(401, 404, "Not found"),
            client_lookup_failed=Wording(401, 602, "Database error"),
            start_failed=Wording(500, 500, "start live failed"),
            join_failed=Wording(500, 500, "get live info failed"),
            heartbeat_failed=Wording(500, 500, "heartbeat failed"),
            list_bad_request=Wording(400, 400, None),
            list_failed=Wording(500, 500, "get live list failed"),
            panicked=None,
            echoes_request_id=False,
            censor_matters=True,
        ),
    }
)
