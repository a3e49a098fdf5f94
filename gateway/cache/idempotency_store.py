"""What became of creates that had an `Idempotency-Key`, kept in this process.

- A create that has not ended is kept apart and never pushed out: there are no more of them than
  requests in flight.
- An outcome is remembered for 24 hours from its end, or until others need the space, the longest
  unused first. The bound is in bytes because the vendor's part of a room has no other than that of
  a reply; the client's is 5 kB at most. A usual record has 0.65 kB of JSON and takes another
  kilobyte: 64 MiB hold some 40,000 creates.
- An outcome has no place for a `push_url`, and a create stands in its record as a hash.
"""

from collections.abc import Callable

import msgspec
from cachetools import TTLCache
from msgspec import Struct

from gateway.rooms import IdempotencyClaim, IdempotencyInProgress, IdempotencyKeyReused, Outcome

_DAY = 86_400.0
_BYTES = 64 << 20
_PLACE = 1000
"""Bytes that a record takes besides its JSON, as measured, with the longest ids and keys."""

_Key = tuple[str, str]


class _Record(Struct, frozen=True):
    fingerprint: str
    outcome: Outcome


_records = msgspec.json.Decoder(_Record)


class LocalIdempotencyStore:
    """The `IdempotencyStore` of one process, in about `size` bytes; `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float], *, size: int = _BYTES) -> None:
        self._running: dict[_Key, str] = {}
        self._ended: TTLCache[_Key, bytes] = TTLCache(
            size, _DAY, clock, lambda record: min(size, _PLACE + len(record))
        )

    async def claim(self, claim: IdempotencyClaim) -> Outcome | None:
        """Return the outcome of the first use; None makes this the first.

        Raises IdempotencyKeyReused or IdempotencyInProgress.
        """
        key = _key(claim)
        running = self._running.get(key)
        if running is not None:
            _require_same(claim, running)
            raise IdempotencyInProgress
        try:
            record = _records.decode(self._ended[key])
        except KeyError:
            self._running[key] = claim.fingerprint
            return None
        _require_same(claim, record.fingerprint)
        return record.outcome

    async def settle(self, claim: IdempotencyClaim, outcome: Outcome) -> None:
        """End a claim: remember what came of it."""
        record = msgspec.json.encode(_Record(claim.fingerprint, outcome))
        self._ended[_key(claim)] = record
        self._running.pop(_key(claim), None)

    async def release(self, claim: IdempotencyClaim) -> None:
        """End a claim of which nothing came."""
        self._running.pop(_key(claim), None)


def _key(claim: IdempotencyClaim) -> _Key:
    return claim.user_id, claim.key


def _require_same(claim: IdempotencyClaim, fingerprint: str) -> None:
    if claim.fingerprint != fingerprint:
        raise IdempotencyKeyReused
