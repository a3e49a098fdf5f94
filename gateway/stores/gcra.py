"""GCRA, the generic cell rate algorithm: a rate limit that needs one number for each key.

A bucket holds `window / interval` requests and gets one back every `interval` seconds. The number
is `full_at`, the time at which the bucket will be full again. A request moves it one interval into
the future for each that it is worth, unless it would then be more than a window away. A refused
request moves nothing. A request worth more than a whole bucket costs a whole bucket.
"""

from msgspec import Struct

_ROUNDING = 1e-9
"""Seconds that are an error of floating point numbers."""

_PART = 1e-4
"""Part of a request that may be missing to a whole one, for the same reason."""


class Decision(Struct, frozen=True, gc=False):
    """The bucket after a request: the new `full_at`, and the seconds until then.

    `remaining` requests may follow at once. `retry_after` is 0 if the request may pass, else the
    seconds until this one may.
    """

    full_at: float
    until_full: float
    remaining: int
    retry_after: float


def decide(full_at: float, now: float, interval: float, window: float, cost: int = 1) -> Decision:
    """Decide on a request at `now`, worth `cost`; the others are seconds of one clock."""
    before = max(full_at, now)
    until_full = before - now + (interval if cost == 1 else min(cost * interval, window))
    over = until_full - window
    if over > _ROUNDING:
        left = int((window - before + now) / interval)
        return Decision(before, before - now, min(left, cost - 1), over)
    remaining = int((window - until_full) / interval + _PART)
    return Decision(now + until_full, until_full, remaining, 0.0)
