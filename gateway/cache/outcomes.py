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

from gateway.rooms import IdempotencyInProgress, IdempotencyKeyReused, Outcome, Ticket

_DAY = 86_400.0
_BYTES = 64 << 20
_PLACE = 1000
"""Bytes that a record takes besides its JSON, as measured, with the longest ids and keys."""

_Key = tuple[str, str]


class _Record(Struct, frozen=True):
    fingerprint: str
    outcome: Outcome


_records = msgspec.json.Decoder(_Record)


class LocalOutcomes:
    """The `Outcomes` of one process, in at most about `size` bytes; `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float], *, size: int = _BYTES) -> None:
        self._running: dict[_Key, str] = {}
        self._ended: TTLCache[_Key, bytes] = TTLCache(
            size, _DAY, clock, lambda record: min(size, _PLACE + len(record))
        )

    async def claim(self, ticket: Ticket) -> Outcome | None:
        """Return the outcome of the first use; None makes this the first.

        Raises IdempotencyKeyReused or IdempotencyInProgress.
        """
        key = _key(ticket)
        running = self._running.get(key)
        if running is not None:
            _require_same(ticket, running)
            raise IdempotencyInProgress
        try:
            record = _records.decode(self._ended[key])
        except KeyError:
            self._running[key] = ticket.fingerprint
            return None
        _require_same(ticket, record.fingerprint)
        return record.outcome

    async def settle(self, ticket: Ticket, outcome: Outcome) -> None:
        """End a claim: remember what came of it."""
        record = msgspec.json.encode(_Record(ticket.fingerprint, outcome))
        self._ended[_key(ticket)] = record
        self._running.pop(_key(ticket), None)

    async def release(self, ticket: Ticket) -> None:
        """End a claim of which nothing came."""
        self._running.pop(_key(ticket), None)


def _key(ticket: Ticket) -> _Key:
    return ticket.user_id, ticket.key


def _require_same(ticket: Ticket, fingerprint: str) -> None:
    if ticket.fingerprint != fingerprint:
        raise IdempotencyKeyReused
