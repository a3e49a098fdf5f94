"""The pipeline of a call to the upstream: all steps, in order.

Retry stands around the breaker, so each attempt is one call to the breaker: it opens after five
attempts, admits one as its probe, and stops second attempts at an upstream just given up.
"""

from collections.abc import Sequence
from functools import partial

from gateway.telemetry import Counter

from .breaker import Breaker, with_breaker
from .call import Send, Step
from .clock_skew import ClockSkew, with_clock_skew
from .connection_limiter import ConnectionLimiter, with_connection
from .counted import with_count
from .database_check import DatabaseCheck, with_database_check
from .retry import RetryBudget, with_retry
from .send import transmit
from .signature import QiniuSigner
from .transport import Transport


def pipeline(
    transport: Transport,
    signer: QiniuSigner,
    skew: ClockSkew,
    breaker: Breaker,
    database: DatabaseCheck,
    limiter: ConnectionLimiter,
    *,
    base_url: str,
    attempts: Counter,
    traced: Step,
) -> Send:
    """Return the way of a call to the upstream at `base_url`."""
    return chain(
        (
            partial(with_clock_skew, skew),
            partial(with_retry, RetryBudget()),
            partial(with_breaker, breaker),
            partial(with_database_check, database),
            partial(with_connection, limiter),
            partial(with_count, attempts),
            traced,
        ),
        transmit(transport, signer, base_url),
    )


def chain(steps: Sequence[Step], last: Send) -> Send:
    """Return `steps` in front of `last`, the first outermost."""
    for step in reversed(steps):
        last = step(last)
    return last
