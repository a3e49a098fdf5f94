"""GCRA, the generic cell rate algorithm: a rate limit that needs one number for each key.

A bucket holds `window / interval` requests and gets one back every `interval` seconds. The number
is `full_at`, the time at which the bucket will be full again. A request moves it one interval into
the future for each that it is worth, unless it would then be more than a window away. A refused
request moves nothing. A request worth more than a whole bucket costs a whole bucket.
"""

from gateway.rooms import Bucket, Quota

_ROUNDING = 1e-9
"""Seconds that are an error of floating point numbers."""

_PART = 1e-4
"""Part of a request that may be missing to a whole one, for the same reason."""


def decide(
    bucket: Bucket, now: float, limit: int, interval: float, window: float, cost: int = 1
) -> Quota:
    """Decide on a request at `now`, worth `cost`; the others are seconds of one clock.

    Moves the bucket's `full_at`. The quota is the one after the request.
    """
    full_at = bucket.full_at
    before = max(now, full_at)
    until_full = before - now + (interval if cost == 1 else min(cost * interval, window))
    over = until_full - window
    if over > _ROUNDING:
        bucket.full_at = before
        left = int((window - before + now) / interval)
        return Quota(limit, min(left, cost - 1), before - now, over)
    bucket.full_at = now + until_full
    return Quota(limit, int((window - until_full) / interval + _PART), until_full, 0.0)


def seen(bucket: Bucket | None, now: float, limit: int, interval: float, window: float) -> Quota:
    """Return the quota of a bucket, None for a full one, before any request; change nothing."""
    full_at = 0.0 if bucket is None else bucket.full_at
    quota = decide(Bucket("", full_at, now), now, limit, interval, window)
    remaining = 0 if quota.retry_after else quota.remaining + 1
    return Quota(limit, remaining, max(full_at - now, 0.0), quota.retry_after)
