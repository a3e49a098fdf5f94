"""The way of a call to the upstream: every step, in order.

Retry stands around the breaker, not inside it: so each attempt counts as one call to the breaker,
which opens after five of them, lets a single one through as its probe, and stops second attempts
at an upstream that has just been given up.
"""

from collections.abc import Callable

import httpx

from gateway.telemetry import Counter

from .breaker import Breaker, guarded
from .connection_limiter import ConnectionLimiter, limited
from .counted import counted
from .retry import RetryBudget, retrying
from .send import Send, deadline, plain, signed, within
from .transport import Transport


def pipeline(
    transport: Transport,
    auth: httpx.Auth,
    breaker: Breaker,
    line: ConnectionLimiter,
    *,
    timeout: float,
    attempts: Counter,
    traced: Callable[[Send], Send],
) -> Send:
    """Return what makes a call: it ends within `timeout` seconds, all `attempts` included."""
    return within(
        timeout,
        retrying(
            RetryBudget(),
            guarded(
                breaker,
                limited(
                    line,
                    counted(
                        attempts,
                        traced(
                            deadline(
                                signed(
                                    auth,
                                    plain(transport),
                                )
                            )
                        ),
                    ),
                ),
            ),
        ),
    )


def attempt(transport: Transport, auth: httpx.Auth, *, timeout: float) -> Send:
    """Return what makes a single attempt, for a call that stands alone."""
    return within(timeout, deadline(signed(auth, plain(transport))))
