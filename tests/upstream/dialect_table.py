"""The vendor's table of answers, and what each row means to the caller of the operation.

A row is the operation, HTTP status, envelope code, message, and the error, None for a success.
"""

from gateway.rooms import (
    AnchorNotRegistered,
    OutcomeUnknown,
    RoomNotFound,
    RoomNotLive,
    UpstreamError,
)
from gateway.upstream import Operation
from gateway.upstream.dialects import CredentialsRefused

CREATE, READ, STOP, DELETE = Operation
ALL = tuple(Operation)
WRITES = (CREATE, STOP, DELETE)


def each(
    operations: tuple[Operation, ...], status: int, code: int, message: str, expected: object
) -> list[tuple[Operation, int, int, str, object]]:
    """Return a row of the table for each of `operations`."""
    return [(operation, status, code, message, expected) for operation in operations]


DOCUMENTED = [
    *each(ALL, 200, 0, "success", None),
    *each(ALL, 200, 0, "", None),
    *each(ALL, 401, 401, "Unauthorized", CredentialsRefused),
    *each((CREATE,), 400, 400, "json: cannot unmarshal number", UpstreamError),
    *each((CREATE,), 404, 404, "Not Found", AnchorNotRegistered),
    *each((CREATE,), 500, 500, "dial tcp: refused", UpstreamError),
    *each((READ, STOP, DELETE), 500, 500, "record not found", RoomNotFound),
    *each((STOP,), 500, 501, "live status error", RoomNotLive),
]
LEGACY = [
    *each(ALL, 200, 200, "success", None),
    *each(ALL, 401, 401, "Your authorization token is invalid", CredentialsRefused),
    *each((CREATE,), 400, 400, "invalid request", UpstreamError),
    *each((CREATE,), 200, 404, "Not found", AnchorNotRegistered),
    *each((CREATE,), 200, 500, "create live failed", UpstreamError),
    *each((READ,), 200, 500, "create live failed", RoomNotFound),
    *each((STOP, DELETE), 200, 501, "record not found", RoomNotFound),
    *each((STOP,), 500, 501, "live status error", RoomNotLive),
]
BESIDES = [
    *each(ALL, 201, 0, "", None),
    *each(ALL, 200, 401, "Unauthorized", CredentialsRefused),
    *each(ALL, 401, 0, "success", UpstreamError),
    *each(ALL, 401, 500, "record not found", CredentialsRefused),
    *each(ALL, 200, 499, "token expired", CredentialsRefused),
    *each(ALL, 500, 600, "already exists", UpstreamError),
    *each((CREATE, READ, DELETE), 500, 601, "bad status", UpstreamError),
    *each((STOP,), 500, 601, "bad status", RoomNotLive),
    *each(ALL, 500, 602, "storage", UpstreamError),
    *each((READ, STOP, DELETE), 200, 404, "Not found", RoomNotFound),
    *each((READ, STOP, DELETE), 404, 404, "", RoomNotFound),
    *each((READ, STOP, DELETE), 500, 500, "Record Not Found", RoomNotFound),
    *each((READ,), 200, 500, "Create Live Failed", RoomNotFound),
    *each((STOP,), 500, 501, "Live Status Error", RoomNotLive),
    *each((CREATE,), 500, 500, "record not found", UpstreamError),
    *each((STOP, DELETE), 200, 500, "create live failed", UpstreamError),
    *each((CREATE, READ, DELETE), 500, 501, "live status error", UpstreamError),
    *each(ALL, 200, 500, "no record not found", UpstreamError),
    *each((READ,), 500, 0, "success", UpstreamError),
    *each(WRITES, 500, 0, "success", OutcomeUnknown),
    *each(WRITES, 503, 200, "success", OutcomeUnknown),
    *each(ALL, 404, 0, "success", UpstreamError),
    *each(ALL, 302, 200, "success", UpstreamError),
]
