"""The vendor's table of answers, and what each row means to the caller of the operation.

A row is the operation, HTTP status, envelope code, message, and the error, None for a success.
"""

from gateway.rooms import (
    AnchorNotRegistered,
    NotRoomAnchor,
    OutcomeUnknown,
    RoomEnded,
    RoomNotFound,
    RoomNotLive,
    UpstreamError,
)
from gateway.upstream import Operation
from gateway.upstream.dialects import (
    AlreadyRegistered,
    CredentialsRefused,
    NotInRoom,
    VendorTokenRefused,
)

CREATE, READ, STOP, DELETE, FIND_USER, REGISTER, TOKEN, START, JOIN, HEARTBEAT, LIST = Operation
ALL = (CREATE, READ, STOP, DELETE)
WRITES = (CREATE, STOP, DELETE)
OF_A_ROOM = (READ, STOP, DELETE)
OF_USERS = (FIND_USER, REGISTER)
OF_CLIENTS = (START, JOIN, HEARTBEAT, LIST)
DRIVER = "dial tcp 127.0.0.1:3306: connect: connection refused"
PANIC = "runtime error: invalid memory address or nil pointer dereference"

Row = tuple[Operation, int, int, str, object]


def each(
    operations: tuple[Operation, ...], status: int, code: int, message: str, expected: object
) -> list[Row]:
    """Return a row of the table for each of `operations`."""
    return [(operation, status, code, message, expected) for operation in operations]


DOCUMENTED = [
    *each(ALL, 200, 0, "success", None),
    *each(ALL, 200, 0, "", None),
    *each(ALL, 401, 401, "Unauthorized", CredentialsRefused),
    *each((CREATE,), 400, 400, "json: cannot unmarshal number", UpstreamError),
    *each((CREATE,), 404, 404, "Not Found", AnchorNotRegistered),
    *each((CREATE,), 500, 500, "Internal Server Error", OutcomeUnknown),
    *each((CREATE,), 500, 500, "Error 1406: Data too long for column 'title'", OutcomeUnknown),
    *each((CREATE,), 500, 500, "invalid connection", OutcomeUnknown),
    *each((CREATE,), 500, 500, PANIC, OutcomeUnknown),
    *each(OF_A_ROOM, 500, 500, "record not found", RoomNotFound),
    *each((READ,), 500, 500, DRIVER, UpstreamError),
    *each((STOP, DELETE), 500, 500, DRIVER, OutcomeUnknown),
    *each((STOP, DELETE), 500, 500, "invalid connection", OutcomeUnknown),
    *each((STOP,), 500, 500, "live status error", RoomNotLive),
]
LEGACY = [
    *each(ALL, 200, 200, "success", None),
    *each(ALL, 401, 401, "Your authorization token is invalid", CredentialsRefused),
    *each((CREATE,), 400, 400, "invalid request", UpstreamError),
    *each((CREATE,), 200, 404, "Not found", AnchorNotRegistered),
    *each((CREATE,), 200, 602, "Database error", UpstreamError),
    *each((CREATE,), 200, 500, "create live failed", OutcomeUnknown),
    *each((READ,), 200, 500, "create live failed", RoomNotFound),
    *each((READ,), 200, 602, "Database error", UpstreamError),
    *each((STOP, DELETE), 200, 501, "record not found", RoomNotFound),
    *each((STOP, DELETE), 200, 501, DRIVER, OutcomeUnknown),
    *each((STOP,), 500, 501, "live status error", RoomNotLive),
    *each((DELETE,), 500, 500, "delete live failed", OutcomeUnknown),
]
BESIDES = [
    *each(ALL, 201, 0, "", None),
    *each(ALL, 200, 401, "Unauthorized", CredentialsRefused),
    *each(ALL, 401, 0, "success", UpstreamError),
    *each(ALL, 401, 500, "record not found", CredentialsRefused),
    *each(ALL, 200, 499, "token expired", CredentialsRefused),
    *each((READ,), 500, 600, "already exists", UpstreamError),
    *each(WRITES, 500, 600, "already exists", OutcomeUnknown),
    *each((READ, DELETE), 500, 601, "bad status", UpstreamError),
    *each((CREATE,), 500, 601, "bad status", OutcomeUnknown),
    *each((STOP,), 500, 601, "bad status", RoomNotLive),
    *each((CREATE, READ), 500, 602, "storage", UpstreamError),
    *each((STOP, DELETE), 500, 602, "storage", OutcomeUnknown),
    *each(WRITES, 400, 599, "", OutcomeUnknown),
    *each(WRITES, 200, 10001, "", OutcomeUnknown),
    *each(WRITES, 500, 403, "", UpstreamError),
    *each(OF_A_ROOM, 200, 404, "Not found", RoomNotFound),
    *each(OF_A_ROOM, 404, 404, "", RoomNotFound),
    *each(OF_A_ROOM, 500, 500, "Record Not Found", RoomNotFound),
    *each((READ,), 200, 500, "Create Live Failed", RoomNotFound),
    *each((STOP,), 500, 501, "Live Status Error", RoomNotLive),
    *each((CREATE,), 500, 500, "record not found", OutcomeUnknown),
    *each((CREATE,), 500, 501, "live status error", OutcomeUnknown),
    *each((STOP, DELETE), 200, 500, "create live failed", OutcomeUnknown),
    *each((READ, DELETE), 500, 501, "live status error", UpstreamError),
    *each((READ,), 200, 500, "no record not found", UpstreamError),
    *each(WRITES, 200, 500, "no record not found", OutcomeUnknown),
    *each((READ,), 500, 0, "success", UpstreamError),
    *each(WRITES, 500, 0, "success", OutcomeUnknown),
    *each(WRITES, 503, 200, "success", OutcomeUnknown),
    *each(ALL, 404, 0, "success", UpstreamError),
    *each(ALL, 302, 200, "success", UpstreamError),
]
USERS = [
    *each(OF_USERS, 200, 0, "success", None),
    *each(OF_USERS, 200, 200, "success", None),
    *each(OF_USERS, 401, 401, "Unauthorized", CredentialsRefused),
    *each((REGISTER,), 400, 400, "invalid request", UpstreamError),
    *each((REGISTER,), 400, 10001, "Already existed", AlreadyRegistered),
    *each((REGISTER,), 500, 600, "already exists", AlreadyRegistered),
    *each((REGISTER,), 500, 500, "Internal error", UpstreamError),
    *each((FIND_USER,), 404, 500, "Internal error", UpstreamError),
    *each((FIND_USER,), 500, 500, "Internal Server Error", UpstreamError),
    *each(OF_USERS, 404, 404, "", UpstreamError),
    *each(OF_USERS, 500, 0, "success", UpstreamError),
]
CLIENTS = [
    *each((TOKEN, *OF_CLIENTS), 200, 0, "", None),
    *each((TOKEN, *OF_CLIENTS), 200, 200, "success", None),
    *each((TOKEN,), 401, 401, "Unauthorized", CredentialsRefused),
    *each((TOKEN,), 400, 400, "Bad Request", UpstreamError),
    *each((TOKEN,), 500, 500, "Internal error", UpstreamError),
    *each(OF_CLIENTS, 401, 401, "Unauthorized", VendorTokenRefused),
    *each(OF_CLIENTS, 401, 401, "Your authorization token is invalid", VendorTokenRefused),
    *each(OF_CLIENTS, 401, 499, "Your token is expired", VendorTokenRefused),
    *each(OF_CLIENTS, 401, 404, "Not found", VendorTokenRefused),
    *each(OF_CLIENTS, 401, 602, "Database error", VendorTokenRefused),
    *each((START, JOIN, HEARTBEAT), 500, 500, "record not found", RoomNotFound),
    *each((START,), 500, 500, "live status error", RoomEnded),
    *each((START,), 500, 601, "cant operate on this status", RoomEnded),
    *each((START,), 500, 500, "user not anchor", NotRoomAnchor),
    *each((START,), 500, 500, "start live failed", OutcomeUnknown),
    *each((START,), 500, 500, "get liveInfo info failed", OutcomeUnknown),
    *each((START,), 500, 500, DRIVER, OutcomeUnknown),
    *each((START,), 500, 0, "", OutcomeUnknown),
    *each((START,), 400, 400, "", UpstreamError),
    *each((HEARTBEAT,), 500, 500, "user not in live room", NotInRoom),
    *each((HEARTBEAT,), 500, 500, "heartbeat failed", NotInRoom),
    *each((JOIN,), 500, 500, "get live info failed", UpstreamError),
    *each((JOIN, LIST), 500, 500, "user not in live room", UpstreamError),
    *each((HEARTBEAT, LIST), 500, 500, "live status error", UpstreamError),
    *each((HEARTBEAT,), 500, 500, "user not anchor", UpstreamError),
    *each((LIST,), 500, 500, "get live list failed", UpstreamError),
    *each((LIST,), 500, 500, "record not found", UpstreamError),
    *each((STOP,), 500, 500, "user not anchor", UpstreamError),
]
