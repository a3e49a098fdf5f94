"""The contract of a rate limiter, run through every implementation."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.redis_url import RedisUrl
from gateway.rooms import Quota, RateLimiter
from gateway.shared_store import SharedStore, connect
from gateway.stores import LocalRateLimiter, SettledRateLimiter, SharedRateLimiter
from tests.fakes.clock import Clock
from tests.fakes.clocked_store import ClockedStore
from tests.fakes.shared_cache import new_prefix
from tests.store_server import StoreServer

T = TypeVar("T")


Kind = Callable[[SharedStore, int, float, Callable[[], float]], RateLimiter]


class Make:
    """Makes limiters of one kind, and runs them in an event loop of their own."""

    def __init__(self, kind: Kind, url: RedisUrl, examples: int) -> None:
        self.examples = settings(max_examples=examples)
        self._kind = kind
        self._url = url
        self._runner = asyncio.Runner()
        self._stores: list[SharedStore] = []

    def __call__(self, count: int, seconds: float, clock: Callable[[], float]) -> RateLimiter:
        """Return a limiter."""
        store = self.run(self._store(clock))
        return self._kind(store, count, seconds, clock)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`."""
        return self._runner.run(work)

    def close(self) -> None:
        """End the loop."""
        for store in self._stores:
            self.run(store.aclose())
        self._runner.close()

    async def _store(self, clock: Callable[[], float]) -> SharedStore:
        while self._stores:
            await self._stores.pop().aclose()
        self._stores.append(ClockedStore(connect(self._url), new_prefix(), clock))
        return self._stores[0]


IMPLEMENTATIONS: dict[str, Kind] = {
    "local": lambda _, *terms: LocalRateLimiter(*terms),
    "shared": lambda store, *terms: SharedRateLimiter(store, "writes", *terms),
    "settled": lambda store, *terms: SettledRateLimiter(store, "reads", *terms),
}
"""Each makes a limiter of (store, requests, seconds, clock)."""


@pytest.fixture(params=IMPLEMENTATIONS)
def make(request: pytest.FixtureRequest, store_server: StoreServer) -> Iterator[Make]:
    """Give each implementation in turn."""
    examples = 25 if request.param == "shared" else 100  # each take is a call to the store
    made = Make(IMPLEMENTATIONS[request.param], store_server.url, examples)
    yield made
    made.close()


counts = st.integers(1, 2000)
windows = st.sampled_from([1, 60, 3600, 86400])


def take(make: Make, limiter: RateLimiter, key: str = "alice", times: int = 1) -> list[Quota]:
    """Take so many times in a row."""

    async def all_of_them() -> list[Quota]:
        return [await limiter.take(key) for _ in range(times)]

    return make.run(all_of_them())


def numbers(quotas: Sequence[Quota]) -> list[Any]:
    """Return the limit, what remains of it, and the seconds until it is whole."""
    return [(each.limit, each.remaining, pytest.approx(each.reset)) for each in quotas]


def test_as_many_as_the_limit_pass_at_once(make: Make) -> None:
    """Then one passes for each that the bucket has got back."""
    clock = Clock(1e6)
    limiter = make(3, 60, clock)
    *passed, refused = take(make, limiter, times=4)
    assert numbers(passed) == [(3, 2, 20), (3, 1, 40), (3, 0, 60)]
    assert [each.retry_after for each in passed] == [0, 0, 0]
    assert numbers([refused]) == [(3, 0, 60)]
    assert refused.retry_after == pytest.approx(20)
    clock.now += 20
    one, two = take(make, limiter, times=2)
    assert one.retry_after == 0
    assert two.retry_after == pytest.approx(20)


def test_a_refusal_is_not_counted(make: Make) -> None:
    """A caller that keeps asking is let through as early as one that waits."""
    clock = Clock(1e6)
    limiter = make(1, 10, clock)
    take(make, limiter)
    for _ in range(9):
        clock.now += 1
        assert take(make, limiter)[0].retry_after > 0
    clock.now += 1
    assert take(make, limiter)[0].retry_after == 0


def test_keys_do_not_share_a_limit(make: Make) -> None:
    """The flood of one leaves the bucket of another full."""
    limiter = make(2, 60, Clock(1e6))
    take(make, limiter, "alice", times=10)
    assert numbers(take(make, limiter, "bob")) == [(2, 1, 30)]


def test_takes_at_the_same_time_are_counted_once_each(make: Make) -> None:
    """A crowd that asks at once gets exactly the limit through."""
    limiter = make(5, 60, Clock(1e6))

    async def crowd() -> list[Quota]:
        return await asyncio.gather(*(limiter.take("alice") for _ in range(20)))

    assert sum(each.retry_after == 0 for each in make.run(crowd())) == 5


def test_no_history_lets_more_pass(make: Make) -> None:
    """Between any two moments: at most the limit, and its share of the time between them."""

    @make.examples
    @given(counts, windows, st.lists(st.floats(0, 100), min_size=1, max_size=60))
    def holds(count: int, window: int, steps: Sequence[float]) -> None:
        clock, passed = Clock(1e6), [0]
        limiter, times = make(count, window, clock), list[float]()
        for step in steps:
            clock.now += step
            quotas = take(make, limiter, times=count // 10 + 1)
            for each in quotas:
                assert each.limit == count
                assert 0 <= each.remaining < count
                assert 0 < each.reset <= window + 1e-6
                assert 0 <= each.retry_after <= window / count + 1e-6
                assert each.remaining == 0 or each.retry_after == 0
            times.append(clock.now)
            passed.append(passed[-1] + sum(each.retry_after == 0 for each in quotas))
        for first, begun in enumerate(times):
            for last in range(first, len(times)):
                allowed = count + (times[last] - begun) * count / window
                assert passed[last + 1] - passed[first] <= allowed + 1e-6
        assert all(before <= after for before, after in pairwise(passed))

    holds()


def test_a_caller_that_waits_as_told_passes(make: Make) -> None:
    """`retry_after` is long enough, and not longer than for one request."""

    @make.examples
    @given(counts, windows)
    def holds(count: int, window: int) -> None:
        clock = Clock(1e6)
        limiter = make(count, window, clock)
        refused = take(make, limiter, times=count + 1)[-1]
        assert 0 < refused.retry_after <= window / count + 1e-6
        clock.now += refused.retry_after
        assert take(make, limiter)[0].retry_after == 0

    holds()


def test_a_look_counts_nothing(make: Make) -> None:
    """A look tells what a request would get, and changes nothing for it or for others."""

    @make.examples
    @given(counts, windows, st.lists(st.tuples(st.floats(0, 100), st.integers(0, 3)), max_size=20))
    def holds(count: int, window: int, steps: Sequence[tuple[float, int]]) -> None:
        clock = Clock(1e6)
        limiter = make(count, window, clock)

        async def history() -> Quota:
            for pause, requests in steps:
                clock.now += pause
                for _ in range(requests):
                    seen, _ = await limiter.look("alice"), await limiter.look("bob")
                    taken = await limiter.take("alice")
                    passes = not taken.retry_after
                    assert (seen.limit, seen.retry_after) == (count, taken.retry_after)
                    assert seen.remaining == taken.remaining + passes
                    assert seen.reset + passes * window / count == pytest.approx(taken.reset)
            return await limiter.look("bob")

        assert numbers([make.run(history())]) == [(count, count, 0)]

    holds()
