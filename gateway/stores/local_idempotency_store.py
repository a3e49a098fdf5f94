"""An `IdempotencyStore` in this process's memory.

- Running claims are never evicted. There are no more of them than requests in flight.
- Outcomes are kept for 24 hours, the least recently used evicted first. The bound is in bytes,
  because the vendor's part of a room has no bound but a reply's; the client's part is 5 kB at most.
  A typical record is 0.65 kB of JSON and a kilobyte of overhead: 64 MiB hold about 40,000 creates.
- An outcome has no field for a `push_url`, and the create is kept as a hash.
"""

from collections.abc import Callable

import msgspec
from cachetools import TTLCache
from msgspec import Struct

from gateway.rooms import IdempotencyClaim, IdempotencyInProgress, IdempotencyKeyReused, Outcome

_DAY = 86_400.0
_BYTES = 64 << 20
_OVERHEAD = 1000
"""Bytes of a record besides its JSON, measured with the longest ids and keys."""

_Key = tuple[str, str]


class _Record(Struct, frozen=True):
    fingerprint: str
    outcome: Outcome


_records = msgspec.json.Decoder(_Record)


class LocalIdempotencyStore:
    """Claims and outcomes in about `size` bytes; `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float], *, size: int = _BYTES) -> None:
        self._running: dict[_Key, str] = {}
        self._ended: TTLCache[_Key, bytes] = TTLCache(
            size, _DAY, clock, lambda record: min(size, _OVERHEAD + len(record))
        )

    async def begin(self, claim: IdempotencyClaim) -> Outcome | None:
        """Return the outcome of the first use of the key; None if this is the first.

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
        """Record the outcome of a claim."""
        self._ended[_key(claim)] = msgspec.json.encode(_Record(claim.fingerprint, outcome))
        self._running.pop(_key(claim), None)

    async def release(self, claim: IdempotencyClaim) -> None:
        """Drop a claim without an outcome."""
        self._running.pop(_key(claim), None)


def _key(claim: IdempotencyClaim) -> _Key:
    return claim.user_id, claim.key


def _require_same(claim: IdempotencyClaim, fingerprint: str) -> None:
    if claim.fingerprint != fingerprint:
        raise IdempotencyKeyReused
