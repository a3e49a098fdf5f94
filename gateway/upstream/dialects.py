"""The meaning of a reply, in both dialects of the vendor's service. Pure.

`documented` (the develop branch) answers success with code 0 and failures with a status of their
own. `legacy` (master, the tags up to v0.2.0) answers success with code 200 and most failures with
HTTP 200. A customer's dialect is not known in advance, and the tables do not collide, so one
classifier reads both, the first rule that fits:

1. HTTP 2xx with code 0 or 200 is success.
2. 401, as status or code, and code 499: our credentials were refused, or on a call of the client
   API its token. With a dead database the client API says the same of every token.
3. On a read, stop, delete, start, join or heartbeat, `record not found` or code 404 means that the
   room is unknown. So does legacy's `create live failed` on a read: the words may also come from a
   dead database, but then `database_check` has refused the reply before.
4. On a create, code 404 means that the anchor is not registered.
5. `live status error` or code 601 means on a stop that the room is not living, on a start that it
   has ended. `user not anchor` refuses a start in another's name.
6. On a heartbeat, `user not in live room` means that the vendor has forgotten the anchor. So does
   legacy's `heartbeat failed`, as `create live failed` does its worst on a read.
7. On a registration, codes 10001 and 600 mean that the user is there already.
8. A write may have happened after a code from 500 up, and, where no code or that of a success says
   more, after a 2xx or a 5xx. Nothing was done after 602 on a create, nor after the refusals in 3
   and 5. Legacy refuses a start in the words `start live failed` alone, whatever the reason.
9. 429, as status or code, means that the upstream is flooded and did nothing; so does HTTP 503 on
   a read.
10. All else is an upstream error. Its text stays in the log.
"""

import time
from collections.abc import Callable
from enum import StrEnum
from types import MappingProxyType

from gateway.rooms import (
    AnchorNotRegistered,
    NotRoomAnchor,
    OutcomeUnknown,
    RoomEnded,
    RoomNotFound,
    RoomNotLive,
    UpstreamError,
    UpstreamUnavailable,
)

from .reply import UNAVAILABLE, Reply
from .wire import Envelope


class CredentialsRefused(UpstreamError):
    """The upstream does not accept our signature; to a client it is an error like any other."""


class VendorTokenRefused(UpstreamError):
    """The upstream does not accept a client token that it gave; it did nothing."""

    def __init__(self) -> None:
        super().__init__("the upstream refused its client token", sent=False)


class NotInRoom(RoomNotLive):
    """The upstream has forgotten that the anchor is in the room: heartbeats were 20 s apart."""


class UpstreamBusy(UpstreamUnavailable):
    """The upstream answers that it is down or flooded."""


class AlreadyRegistered(AnchorNotRegistered):
    """The upstream has the user already, perhaps under another spelling of the id."""


class Operation(StrEnum):
    """One of the vendor's calls."""

    CREATE = "create"
    READ = "read"
    STOP = "stop"
    DELETE = "delete"
    FIND_USER = "find_user"
    REGISTER = "register"
    TOKEN = "token"  # noqa: S105  # the call that asks for one
    START = "start"
    JOIN = "join"
    HEARTBEAT = "heartbeat"
    LIST = "list"


WRITES = frozenset({Operation.CREATE, Operation.STOP, Operation.DELETE, Operation.START})
"""Operations that must not be repeated."""

OF_CLIENTS = frozenset({Operation.START, Operation.JOIN, Operation.HEARTBEAT, Operation.LIST})
"""Operations of the client API."""

_NOT_FOUND = "record not found"
_UNKNOWN_ROOM = MappingProxyType(
    {
        Operation.READ: (_NOT_FOUND, "create live failed"),
        Operation.STOP: (_NOT_FOUND,),
        Operation.DELETE: (_NOT_FOUND,),
        Operation.START: (_NOT_FOUND,),
        Operation.JOIN: (_NOT_FOUND,),
        Operation.HEARTBEAT: (_NOT_FOUND,),
    }
)
_NOT_IN_ROOM = frozenset({"user not in live room", "heartbeat failed"})
_REFUSED_CREDENTIALS = frozenset({401, 499})
_REGISTERED = frozenset({10001, 600})
_NOTHING_CREATED = 602
_FLOODED = 429
_ERROR = 500


def accept(operation: Operation, reply: Reply, clock: Callable[[], float] = time.time) -> Envelope:
    """Return the envelope of a success; raise the error that any other reply means.

    `clock` gives epoch seconds, for a `Retry-After` with a date.
    """
    status, envelope = reply.status, reply.envelope
    if envelope is None:
        reason = f"HTTP {status} without a usable envelope"
    elif reply.succeeded:
        return envelope
    elif reply.has_success_code:
        reason = f"HTTP {status} with the code of a success"
    else:
        _raise_refusal(operation, status, envelope)
        reason = f"the upstream answered HTTP {status}, code {envelope.code}"
    if operation in WRITES and _may_have_happened(operation, reply):
        raise OutcomeUnknown(reason)
    if _did_nothing(operation, reply):
        raise UpstreamBusy(reason, retry_after=reply.retry_after(clock))
    nothing_created = operation is Operation.CREATE and _has_code(reply, _NOTHING_CREATED)
    raise UpstreamError(reason, sent=not nothing_created)


def _raise_refusal(operation: Operation, status: int, envelope: Envelope) -> None:
    """Raise what the reply says in words that are known; a variable for it would be a cycle."""
    code, message = envelope.code, envelope.message.lower()
    if status == 401 or code in _REFUSED_CREDENTIALS:
        if operation in OF_CLIENTS:
            raise VendorTokenRefused
        raise CredentialsRefused("the upstream refused our credentials")
    words = _UNKNOWN_ROOM.get(operation)
    if words and (code == 404 or message in words):
        raise RoomNotFound
    if operation is Operation.CREATE and code == 404:
        raise AnchorNotRegistered
    if code == 601 or message == "live status error":
        _raise_bad_status(operation)
    if operation is Operation.START and message == "user not anchor":
        raise NotRoomAnchor
    if operation is Operation.HEARTBEAT and message in _NOT_IN_ROOM:
        raise NotInRoom
    if operation is Operation.REGISTER and code in _REGISTERED:
        raise AlreadyRegistered


def _raise_bad_status(operation: Operation) -> None:
    if operation is Operation.STOP:
        raise RoomNotLive
    if operation is Operation.START:
        raise RoomEnded


def _may_have_happened(operation: Operation, reply: Reply) -> bool:
    if reply.envelope is None or reply.has_success_code:
        return 200 <= reply.status < 300 or reply.status >= _ERROR
    if operation is Operation.CREATE:
        return reply.envelope.code >= _ERROR and reply.envelope.code != _NOTHING_CREATED
    return reply.says_failed


def _did_nothing(operation: Operation, reply: Reply) -> bool:
    if reply.status == _FLOODED or _has_code(reply, _FLOODED):
        return True
    return reply.status in UNAVAILABLE and operation not in WRITES


def _has_code(reply: Reply, code: int) -> bool:
    return reply.envelope is not None and reply.envelope.code == code
