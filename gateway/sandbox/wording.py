"""The vendor's replies in each dialect.

`documented` follows the public documentation and the service's develop branch. `legacy` follows its
master branch and the tags up to v0.2.0, with HTTP 200 for most refusals.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

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
    """One reply for each case."""

    success: Wording
    bad_signature: Wording
    bad_request: Wording
    anchor_unknown: Wording
    create_failed: Wording
    read_unknown: Wording
    write_unknown: Wording
    not_living: Wording


DIALECTS: Mapping[DialectName, Dialect] = MappingProxyType(
    {
        "documented": Dialect(
            success=Wording(200, 0, "success"),
            bad_signature=Wording(401, 401, "Unauthorized"),
            bad_request=Wording(400, 400, None),
            anchor_unknown=Wording(404, 404, "Not Found"),
            create_failed=Wording(500, 500, None),
            read_unknown=Wording(500, 500, "record not found"),
            write_unknown=Wording(500, 500, "record not found"),
            not_living=Wording(500, 501, "live status error"),
        ),
        "legacy": Dialect(
            success=Wording(200, 200, "success"),
            bad_signature=Wording(401, 401, "Your authorization token is invalid"),
            bad_request=Wording(400, 400, "invalid request", TEXT),
            anchor_unknown=Wording(200, 404, "Not found"),
            create_failed=Wording(200, 500, "create live failed"),
            read_unknown=Wording(200, 500, "create live failed"),
            write_unknown=Wording(200, 501, "record not found"),
            not_living=Wording(500, 501, "live status error"),
        ),
    }
)
