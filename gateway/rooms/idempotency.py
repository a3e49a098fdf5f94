"""Idempotency keys: the claim that a create makes, and its recorded outcome.

- Each user has their own keys: two users' equal keys are two keys.
- Two creates are the same if they mean the same: the order of fields and the UTC offset of a time
  make no difference.
- An outcome is a room's id or an error's code. Both encode as JSON, so that processes can share
  them. The rest of the room is read again for a repeated create.
- A create that was certainly not sent has no outcome, and its key may be used again.
"""

import hashlib
from datetime import UTC, datetime
from types import MappingProxyType

import msgspec
from msgspec import Struct, structs

from .caller import Caller
from .errors import (
    AnchorNotRegistered,
    ClientGone,
    GatewayError,
    InvalidRequest,
    OutcomeUnknown,
    Overloaded,
    UpstreamError,
    UpstreamFailure,
)
from .room import NewRoom

_FAILURES = MappingProxyType(
    {kind.code: kind for kind in (AnchorNotRegistered, UpstreamError, OutcomeUnknown)}
)


class IdempotencyClaim(Struct, frozen=True):
    """One user's key, and the hash of the create that used it, in hexadecimal."""

    user_id: str
    key: str
    fingerprint: str


class Created(Struct, frozen=True, tag="created"):
    """A create that made the room `live_id`."""

    live_id: str


class Failed(Struct, frozen=True, tag="failed"):
    """A create that was sent and failed with the error `code`."""

    code: str

    def error(self) -> GatewayError:
        """Return a new error with this code, marked as a replay."""
        kind = _FAILURES.get(self.code, OutcomeUnknown)  # another release may have others
        error = kind("the first create with this key failed so")
        error.replayed = True
        return error


Outcome = Created | Failed


def claim_for(caller: Caller, key: str, room: NewRoom) -> IdempotencyClaim:
    """Return the claim of `caller` who creates `room` with `key`."""
    meaning = structs.replace(
        room,
        start_at=_in_utc(room.start_at),
        end_at=_in_utc(room.end_at),
        publish_expire_at=_in_utc(room.publish_expire_at),
    )
    encoded = msgspec.json.encode(meaning, order="deterministic")
    return IdempotencyClaim(
        caller.user_id, key, hashlib.blake2b(encoded, digest_size=32).hexdigest()
    )


def failure(error: BaseException) -> Failed | None:
    """Return the outcome of a create that raised `error`; None if nothing was sent.

    After an unexpected error or a cancellation the outcome is unknown.
    """
    if isinstance(error, InvalidRequest | ClientGone | Overloaded):
        return None
    if isinstance(error, AnchorNotRegistered | UpstreamFailure) and not error.sent:
        return None
    if isinstance(error, GatewayError) and error.code in _FAILURES:
        return Failed(error.code)
    return Failed(OutcomeUnknown.code)


def _in_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
