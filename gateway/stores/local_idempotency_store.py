"""An `IdempotencyStore` in this process's memory.

- Running claims are never evicted. There are no more of them than requests in flight.
- Outcomes are kept for 24 hours. When all places are taken, users who make many lose their own
  (`fair_shares`).
- A record takes 0.6 to 0.9 kB, whatever the length of user id and key: all fit into 64 MiB.
"""

from collections.abc import Callable

from msgspec import Struct

from gateway.rooms import (
    IdempotencyClaim,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    Outcome,
    that_holds,
)

from .fair_shares import FairShares

_DAY = 86_400.0
RECORDS = 1 << 16


class _Settled(Struct, frozen=True, gc=False):
    fingerprint: str
    outcome: Outcome


class LocalIdempotencyStore:
    """Claims, and the outcomes of at most `size`; `clock` is monotonic, in seconds.

    `evicted` is called for each outcome that is forgotten before its 24 hours are over.
    """

    def __init__(
        self, clock: Callable[[], float], evicted: Callable[[], None], *, size: int = RECORDS
    ) -> None:
        self._running: dict[tuple[str, str], str] = {}
        self._settled: FairShares[_Settled] = FairShares(size, _DAY, clock, evicted)

    async def begin(self, claim: IdempotencyClaim) -> Outcome | None:
        """Return the outcome of the first use of the key; None if this is the first.

        Raises IdempotencyKeyReused or IdempotencyInProgress.
        """
        running = self._running.get(_key(claim))
        if running is not None:
            _require_same(claim, running)
            raise IdempotencyInProgress
        settled = self._settled.get(*_key(claim))
        if settled is None:
            self._running[_key(claim)] = claim.fingerprint
            return None
        _require_same(claim, settled.fingerprint)
        return settled.outcome

    async def settle(self, claim: IdempotencyClaim, outcome: Outcome) -> Outcome:
        """Record the outcome of a claim; return the one that holds."""
        settled = self._settled.get(*_key(claim))
        holds = that_holds(None if settled is None else settled.outcome, outcome)
        self._settled.put(*_key(claim), _Settled(claim.fingerprint, holds))
        self._running.pop(_key(claim), None)
        return holds

    async def release(self, claim: IdempotencyClaim) -> None:
        """Drop a claim without an outcome."""
        self._running.pop(_key(claim), None)


def _key(claim: IdempotencyClaim) -> tuple[str, str]:
    return claim.user_id, claim.key


def _require_same(claim: IdempotencyClaim, fingerprint: str) -> None:
    if claim.fingerprint != fingerprint:
        raise IdempotencyKeyReused
