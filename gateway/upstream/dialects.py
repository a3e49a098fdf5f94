"""The meaning of a reply, in both dialects of the vendor's service. Pure.

`documented` answers success with code 0 and an unknown room with HTTP 500; `legacy` answers
success with code 200 and most failures with HTTP 200. A customer's dialect is not known in
advance, and the tables do not collide, so one classifier reads both:

1. HTTP 2xx with code 0 or 200 is success.
2. Without an envelope, or where status and code contradict, a read failed. A write may have
   happened after a 2xx or a 5xx; any other status refused it.
3. 401, as status or code, and code 499: our credentials were refused.
4. On anything but a create, `record not found` or code 404 means the room is unknown. So does
   legacy's `create live failed` on a read; on a create the same words are a storage failure.
5. On a create, code 404 means that the anchor is not registered.
6. On a stop, `live status error` or code 601 means that the room is not living.
7. All else is an upstream error. Its text stays in the log.
"""

from enum import StrEnum

from gateway.rooms import (
    AnchorNotRegistered,
    GatewayError,
    RoomNotFound,
    RoomNotLive,
    UpstreamError,
)

from .faults import Broken, Fault
from .reply import Reply
from .wire import Envelope


class CredentialsRefused(UpstreamError):
    """The upstream does not accept our signature; to a client it is an error like any other."""


class Operation(StrEnum):
    """One of the vendor's four calls."""

    CREATE = "create"
    READ = "read"
    STOP = "stop"
    DELETE = "delete"


_SUCCESS_CODES = frozenset({0, 200})
_REFUSED_CREDENTIALS = frozenset({401, 499})


def accept(operation: Operation, reply: Reply) -> Envelope:
    """Return the envelope of a success.

    Raises the error that any other reply means, or Broken where the outcome stays open.
    """
    status, envelope = reply.status, reply.envelope
    if envelope is None:
        raise _undecided(status, f"HTTP {status} without a usable envelope")
    if envelope.code not in _SUCCESS_CODES:
        raise _refusal(operation, status, envelope)
    if not 200 <= status < 300:
        raise _undecided(status, f"HTTP {status} with the code of a success")
    return envelope


def _undecided(status: int, reason: str) -> Fault | UpstreamError:
    happened = 200 <= status < 300 or status >= 500
    return Broken(reason) if happened else UpstreamError(reason)


def _refusal(operation: Operation, status: int, envelope: Envelope) -> GatewayError:
    code, message = envelope.code, envelope.message.lower()
    if status == 401 or code in _REFUSED_CREDENTIALS:
        return CredentialsRefused("the upstream refused our credentials")
    if operation is Operation.CREATE:
        return AnchorNotRegistered() if code == 404 else _refused(status, code)
    if code == 404 or message == "record not found":
        return RoomNotFound()
    if operation is Operation.READ and message == "create live failed":
        return RoomNotFound()
    if operation is Operation.STOP and (code == 601 or message == "live status error"):
        return RoomNotLive()
    return _refused(status, code)


def _refused(status: int, code: int) -> UpstreamError:
    return UpstreamError(f"the upstream refused the call: HTTP {status}, code {code}")
