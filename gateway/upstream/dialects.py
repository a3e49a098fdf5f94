"""What a reply means, in both dialects of the vendor's service. Pure.

`documented` answers success with code 0 and an unknown room with HTTP 500; `legacy` answers
success with code 200 and most failures with HTTP 200. Which one a customer runs is not known in
advance and the tables do not collide, so one classifier reads both:

1. HTTP 2xx with code 0 or 200 is success.
2. Without an envelope nothing is known: a read failed; a write that got a 2xx or a 5xx may have
   happened; any other status refused it. The same holds where status and code contradict.
3. 401, as status or code, and code 499: our credentials were refused.
4. On anything but a create, `record not found` or code 404 means the room is unknown; so does
   legacy's `create live failed` on a read, though the same words on a create are a storage failure.
5. On a create, code 404 means that the anchor is not registered.
6. On a stop, `live status error` or code 601 means that the room is not living.
7. All else is an upstream error, whose text stays in the log.
"""

from email.message import Message
from enum import StrEnum
from functools import lru_cache

from gateway.rooms import (
    AnchorNotRegistered,
    GatewayError,
    OutcomeUnknown,
    RoomNotFound,
    RoomNotLive,
    UpstreamError,
    UpstreamFailure,
    UpstreamTimeout,
    UpstreamUnavailable,
)

from .faults import Broken, DeadlineExceeded, Fault, NotAttempted, NotSent
from .send import Reply
from .wire import Envelope, decode_envelope


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


def accept(operation: Operation, status: int, envelope: Envelope | None) -> Envelope:
    """Return the envelope of a success.

    Raises the error that any other reply means, or Broken where it leaves open what happened.
    """
    if envelope is None:
        raise _undecided(status, f"HTTP {status} without a usable envelope")
    if envelope.code not in _SUCCESS_CODES:
        raise _refusal(operation, status, envelope)
    if not 200 <= status < 300:
        raise _undecided(status, f"HTTP {status} with the code of a success")
    return envelope


def from_fault(operation: Operation, fault: Fault) -> UpstreamFailure:
    """Return the error that the lack of a reply means for `operation`."""
    if isinstance(fault, NotAttempted):
        return UpstreamUnavailable(str(fault), retry_after=fault.retry_after)
    if isinstance(fault, NotSent):
        return UpstreamError(str(fault), sent=False)
    if operation is not Operation.READ:
        return OutcomeUnknown(str(fault))
    return (
        UpstreamTimeout(str(fault))
        if isinstance(fault, DeadlineExceeded)
        else UpstreamError(str(fault))
    )


def envelope_of(reply: Reply) -> Envelope | None:
    """Return the reply's envelope where its type, charset and body say that there is one."""
    return decode_envelope(reply.body) if _declares_json(reply) else None


def says_unavailable(reply: Reply) -> bool:
    """Whether a reply says that the upstream is down or flooded, not what became of the call."""
    return reply.status in {429, 503} or (reply.status >= 500 and envelope_of(reply) is None)


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


def _declares_json(reply: Reply) -> bool:
    declared = reply.headers.get("Content-Type")
    return declared is None or _is_json(declared, refusal=reply.status >= 400)


@lru_cache(maxsize=64)
def _is_json(content_type: str, *, refusal: bool) -> bool:
    """Whether a Content-Type means JSON; `legacy` refuses a create as plain text."""
    header = Message()
    header["Content-Type"] = content_type
    kind = header.get_content_type()
    if header.get_content_charset("utf-8") not in {"utf-8", "utf8", "us-ascii"}:
        return False
    return (
        kind == "application/json" or kind.endswith("+json") or (refusal and kind == "text/plain")
    )
