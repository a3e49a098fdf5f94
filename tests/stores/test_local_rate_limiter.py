"""The rate limiter of one process: how much it remembers, and its arithmetic at the edges."""

import asyncio
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from gateway.rooms import Bucket
from gateway.stores import LocalRateLimiter
from gateway.stores.gcra import decide


def test_any_number_of_keys_fits() -> None:
    """The memory is bounded, and the latest keys are remembered."""
    keys = 2_000
    limiter = LocalRateLimiter(2, 60, lambda: 1e6, keys)

    async def flood() -> tuple[int, float]:
        for number in range(keys):
            await limiter.take(f"user-{number}")
        tracemalloc.start()
        for number in range(100_000):
            await limiter.take(f"other-{number}")
            if number % 1_000 == 999:
                await limiter.take("alice")
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return grown, (await limiter.take("alice")).retry_after

    grown, retry_after = asyncio.run(flood())
    assert grown < 500 * keys
    assert retry_after > 0


@given(count=st.integers(1, 999_999_999), window=st.sampled_from([1, 60, 3600, 86400]))
def test_an_empty_bucket_refuses_until_one_is_back(count: int, window: int) -> None:
    """However small the interval is: a refusal has nothing left, and its wait is long enough."""
    now, interval = 1e6, window / count
    bucket = Bucket("alice", now + window, now)
    refused = decide(bucket, now, count, interval, window)
    if refused.retry_after:
        assert (bucket.full_at, refused.remaining) == (now + window, 0)
        assert refused.retry_after <= interval + 1e-6
        later = now + refused.retry_after
        assert decide(bucket, later, count, interval, window).retry_after == 0


@given(st.floats(0, 2e6), st.integers(1, 1000))
def test_a_bucket_long_full_is_full(full_at: float, count: int) -> None:
    """A time in the past gives nothing more than a full bucket."""
    now = 2e6
    long_full, just_full = Bucket("alice", full_at, now), Bucket("alice", now, now)
    terms = (now, count, 60 / count, 60)
    assert decide(long_full, *terms) == decide(just_full, *terms)
    assert long_full == just_full
