"""Idempotency keys: the claim that a create makes, and its recorded outcome.

- Each user has their own keys: two users' equal keys are two keys.
- Two creates are the same if they mean the same: the order of fields and the UTC offset of a time
  make no difference.
- An outcome is a room's id or an error's code. Both encode as JSON, so that processes can share
  them. The rest of the room is read again for a repeated create.
- A create that was certainly not sent has no outcome, and its key may be used again.
- A create of unknown outcome stays open: the vendor's callback has the request id that it was sent
  with, and may tell of its room (`hints`).
"""

import hashlib
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

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
from .room import AnchorRoom, NewRoom

_FAILURES = MappingProxyType(
    {kind.code: kind for kind in (AnchorNotRegistered, UpstreamError, OutcomeUnknown)}
)


class IdempotencyClaim(Struct, frozen=True):
    """One user's key and the create that used it, both as hashes in hexadecimal."""

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

UNKNOWN: Final = Failed(OutcomeUnknown.code)
"""The outcome of a create that may or may not have made a room."""


class OpenCreate(Struct, frozen=True, array_like=True):
    """A create that is not known to have ended: its claim, and the room that it asked for."""

    claim: IdempotencyClaim
    anchor_id: str
    title: str

    def made(self, room: AnchorRoom) -> bool:
        """Return whether `room` can be the one that was asked for."""
        return (room.anchor_info.user_id, room.title) == (self.anchor_id, self.title)


def claim_for(caller: Caller, key: str, room: NewRoom) -> IdempotencyClaim:
    """Return the claim of `caller` who creates `room` with `key`."""
    meaning = structs.replace(
        room,
        start_at=_in_utc(room.start_at),
        end_at=_in_utc(room.end_at),
        publish_expire_at=_in_utc(room.publish_expire_at),
    )
    encoded = msgspec.json.encode(meaning, order="deterministic")
    return IdempotencyClaim(caller.user_id, _hash(key.encode(), 16), _hash(encoded, 32))


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
    return UNKNOWN


def that_holds(recorded: Outcome | None, outcome: Outcome) -> Outcome:
    """Return the outcome that holds after both: an unknown one replaces none."""
    return outcome if recorded is None or outcome != UNKNOWN else recorded


def _hash(content: bytes, size: int) -> str:
    return hashlib.blake2b(content, digest_size=size).hexdigest()


def _in_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
