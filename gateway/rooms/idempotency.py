"""What an `Idempotency-Key` stands for, and what is remembered of a create that had one.

- A key is the caller's own: another user's equal key is another key.
- Two creates are the same if they mean the same: the order of fields, and the offset in which a
  time is given, make no difference.
- An outcome is a room in viewer shape, which has no place for a `push_url`, or the code of a
  problem. Both encode as JSON, so that processes can share them.
- Only what can have reached the upstream has an outcome. Where nothing was sent there is nothing
  to repeat, and the key may be used again.
"""

import hashlib
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Protocol

import msgspec
from msgspec import Struct, structs

from .caller import Caller
from .errors import (
    AnchorNotRegistered,
    GatewayError,
    InvalidRequest,
    OutcomeUnknown,
    UpstreamError,
    UpstreamFailure,
)
from .room import NewRoom, ViewerRoom

_FAILURES = MappingProxyType(
    {kind.code: kind for kind in (AnchorNotRegistered, UpstreamError, OutcomeUnknown)}
)


class IdempotencyClaim(Struct, frozen=True):
    """One user's key and what it was used for: `fingerprint`, as hexadecimal digits."""

    user_id: str
    key: str
    fingerprint: str


class Created(Struct, frozen=True, tag="created"):
    """The create made this room."""

    room: ViewerRoom


class Failed(Struct, frozen=True, tag="failed"):
    """The create was sent and ended in the problem `code`."""

    code: str

    def error(self) -> GatewayError:
        """Return that problem anew, as one that is told again."""
        error = _FAILURES[self.code]("the first create with this key ended so")
        error.replayed = True
        return error


Outcome = Created | Failed


class IdempotencyStore(Protocol):
    """What became of the creates that had a key, for 24 hours and within bounds.

    An implementation keeps its own troubles to itself: nothing here raises but what is named. Where
    it outlives the process that made a claim, a claim that nobody can end any more has an unknown
    outcome.
    """

    async def claim(self, claim: IdempotencyClaim) -> Outcome | None:
        """Return the outcome of the first use; None makes this the first, and a claim to be ended.

        Raises IdempotencyKeyReused where the key stands for another create, IdempotencyInProgress
        where the first use has not ended.
        """
        ...

    async def settle(self, claim: IdempotencyClaim, outcome: Outcome) -> None:
        """End a claim, or correct what it ended in: remember what came of it."""
        ...

    async def release(self, claim: IdempotencyClaim) -> None:
        """End a claim of which nothing came: the next use is the first."""
        ...


def claim_for(caller: Caller, key: str, room: NewRoom) -> IdempotencyClaim:
    """Return what `key` stands for when `caller` asks for `room` with it."""
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
    """Return the outcome of a create that raised `error`; None where nothing was sent.

    What nobody foresaw, a cancellation included, leaves open whether there is a room.
    """
    if isinstance(error, InvalidRequest) or (isinstance(error, UpstreamFailure) and not error.sent):
        return None
    if isinstance(error, GatewayError) and error.code in _FAILURES:
        return Failed(error.code)
    return Failed(OutcomeUnknown.code)


def _in_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
