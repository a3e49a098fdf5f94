"""Rate limits: how many pass, what they are told, and how much is remembered."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.rate_limits import RateLimiter, Verdict


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1e6

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def told(verdict: Verdict) -> tuple[int, ...]:
    """Return limit, remaining and reset."""
    names = [name for name, _ in verdict.headers]
    assert names == [b"ratelimit-limit", b"ratelimit-remaining", b"ratelimit-reset"]
    return tuple(int(value) for _, value in verdict.headers)


def test_as_many_as_the_limit_pass_at_once() -> None:
    """Then one for each that the bucket has got back."""
    clock = Clock()
    limiter = RateLimiter(3, 60, clock)
    assert [told(limiter.take("alice")) for _ in range(3)] == [(3, 2, 20), (3, 1, 40), (3, 0, 60)]
    refused = limiter.take("alice")
    assert refused.retry_after == pytest.approx(20)
    assert told(refused) == (3, 0, 60)
    clock.now += 20
    assert limiter.take("alice").retry_after == 0
    assert limiter.take("alice").retry_after == pytest.approx(20)


def test_a_refusal_costs_nothing() -> None:
    """Who keeps asking is let through as early as who waits."""
    clock = Clock()
    limiter = RateLimiter(1, 10, clock)
    limiter.take("alice")
    for _ in range(9):
        clock.now += 1
        assert limiter.take("alice").retry_after > 0
    clock.now += 1
    assert limiter.take("alice").retry_after == 0


def test_users_do_not_share_a_limit() -> None:
    """One user's flood leaves another's bucket full."""
    limiter = RateLimiter(2, 60, Clock())
    for _ in range(10):
        limiter.take("alice")
    assert told(limiter.take("bob")) == (2, 1, 30)


@given(
    count=st.integers(1, 2000),
    seconds=st.sampled_from([1, 60, 3600, 86400]),
    steps=st.lists(st.floats(0, 100), min_size=1, max_size=100),
)
def test_never_more_than_the_bucket_held_and_got_back(
    count: int, seconds: int, steps: list[float]
) -> None:
    """In any stretch of time: the limit, and its share of that time; headers stay in range."""
    clock = Clock()
    began = clock.now
    limiter = RateLimiter(count, seconds, clock)
    passed = 0
    for step in steps:
        clock.now += step
        for _ in range(count // 10 + 1):
            verdict = limiter.take("alice")
            passed += not verdict.retry_after
            limit, remaining, reset = told(verdict)
            assert limit == count
            assert 0 <= remaining < count
            assert 0 <= reset <= seconds
            assert (remaining == 0) or not verdict.retry_after
        assert passed <= count + (clock.now - began) * count / seconds + 1e-6


@given(count=st.integers(1, 999_999_999), seconds=st.sampled_from([1, 60, 3600, 86400]))
def test_who_waits_as_told_passes(count: int, seconds: int) -> None:
    """`retry_after` is long enough, and not longer than for one request."""
    clock = Clock()
    limiter = RateLimiter(count, seconds, clock)
    limiter._full_at["alice"] = clock.now + seconds  # noqa: SLF001  # an empty bucket
    refused = limiter.take("alice")
    if refused.retry_after:
        assert refused.retry_after <= seconds / count + 1e-6
        clock.now += refused.retry_after
        assert limiter.take("alice").retry_after == 0


def test_any_number_of_keys_fits() -> None:
    """What is remembered is bounded, and whoever asked last is remembered."""
    keys = 2_000
    limiter = RateLimiter(2, 60, Clock(), keys)
    for number in range(keys):
        limiter.take(f"user-{number}")
    tracemalloc.start()
    for number in range(100_000):
        limiter.take(f"other-{number}")
        if number % 1_000 == 999:
            limiter.take("alice")
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 500 * keys
    assert limiter.take("alice").retry_after > 0
