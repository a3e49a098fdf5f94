"""Refused sign-ins, for the operator: counted by reason, and told in the log.

The log has one line for each reason in ten seconds, with the number of refusals since the last, so
that a flood of bad tokens costs nothing. It has nothing of the token but the issuer's name, where
that is a configured one.
"""

import logging
from collections.abc import Callable

from litestar.types import Scope
from structlog.typing import FilteringBoundLogger

from gateway.rooms import TokenFault, Unauthenticated
from gateway.telemetry import Counter

from .exchange import Exchange

_INTERVAL = 10.0
"""Seconds between two lines of one reason."""

_EVERYDAY = frozenset({TokenFault.MISSING, TokenFault.EXPIRED})
"""Faults that are nobody's mistake."""


class TokenRefusals:
    """Records refusals; `address_of` gives the client's address as the log shows it, None for none.

    `clock` is monotonic, in seconds; `refusals` counts by reason.
    """

    def __init__(
        self,
        refusals: Counter,
        log: FilteringBoundLogger,
        address_of: Callable[[Scope], str | None],
        clock: Callable[[], float],
    ) -> None:
        self._refusals = refusals
        self._log = log
        self._address_of = address_of
        self._clock = clock
        self._next = dict.fromkeys(TokenFault, 0.0)
        self._count = dict.fromkeys(TokenFault, 0)

    def record(self, error: Unauthenticated, scope: Scope, exchange: Exchange) -> None:
        """Record a refusal."""
        fault = error.fault
        exchange.refused = fault
        self._refusals.inc(fault)
        self._count[fault] += 1
        now = self._clock()
        if now < self._next[fault]:
            return
        self._next[fault] = now + _INTERVAL
        count, self._count[fault] = self._count[fault], 0
        self._log.log(
            _level(fault),
            "token_refused",
            reason=fault,
            count=count,
            request_id=exchange.request_id,
            detail=str(error),
            issuer=error.issuer,
            address=self._address_of(scope),
        )


def _level(fault: TokenFault) -> int:
    return logging.INFO if fault in _EVERYDAY else logging.WARNING
