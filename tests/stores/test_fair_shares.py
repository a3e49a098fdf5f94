"""FairShares: the bound, the share of each user, and who loses what."""

from collections.abc import Sequence
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.stores.fair_shares import FairShares
from tests.fakes.clock import Clock
from tests.leaks.reachable import texts_in

LIFETIME = 100.0


class World:
    """Shares of so many records, and the number of evictions."""

    def __init__(self, size: int) -> None:
        self.clock = Clock(0)
        self.evicted = 0
        self.shares: FairShares[int] = FairShares(size, LIFETIME, self.clock, self._count)

    def _count(self) -> None:
        self.evicted += 1

    def put(self, *users: str) -> None:
        """Put a record for each of `users`, with a number for its key."""
        for user in users:
            self.shares.put(user, str(next(NUMBERS)), 0)

    def has(self, user: str, key: str = "k") -> bool:
        """Return True if there is such a record."""
        return self.shares.get(user, key) is not None


NUMBERS = count()


@pytest.mark.parametrize("others", [["b"], ["b", "c"], [f"u{n}" for n in range(1000)]])
def test_the_oldest_user_keeps_a_record(others: Sequence[str]) -> None:
    """Whoever fills the memory, few users or many, pushes out no record of the oldest user."""
    world = World(100)
    world.shares.put("a", "k", 1)
    for round_ in range(1000):
        world.put(others[round_ % len(others)])
    assert world.has("a")
    assert world.evicted == 901


def test_a_user_loses_their_own_oldest() -> None:
    """The user with the most records makes place, with the oldest of them."""
    world = World(5)
    for key in ("1", "2", "3"):
        world.shares.put("a", key, 0)
    world.put("b", "c")
    world.put("c")
    assert [world.has("a", key) for key in ("1", "2", "3")] == [False, True, True]


def test_among_equals_the_newest_user_loses() -> None:
    """Of two users with as many records, it is not the older one who loses."""
    world = World(4)
    world.shares.put("a", "k", 0)
    world.put("b", "b")
    world.shares.put("a", "l", 0)  # the last to have two, but the oldest user
    world.put("c")
    assert (world.has("a"), world.has("a", "l"), world.evicted) == (True, True, 1)


def test_expired_records_go_first() -> None:
    """Nothing is evicted while an expired record can go, and such a one is never returned."""
    world = World(3)
    world.shares.put("a", "k", 0)
    world.clock.now = 1
    world.put("b", "b")
    world.clock.now = LIFETIME
    assert not world.has("a")
    world.put("c")
    assert world.evicted == 0
    world.put("c")
    assert world.evicted == 1


def test_many_expired_records_go_in_steps() -> None:
    """No put drops more than a hundred; an expired record in the way is as good as gone."""
    world = World(1000)
    for number in range(1000):
        world.shares.put(f"u{number % 7}", str(number), number)
    world.clock.now += LIFETIME
    world.shares.put("u6", "999", 5)
    kept = len(texts_in(world.shares))
    world.clock.now += LIFETIME - 1
    assert world.shares.get("u6", "999") == 5
    assert not world.has("u0", "994")
    for _ in range(20):
        world.put("u0")
    assert kept > len(texts_in(world.shares))
    assert (world.shares.get("u6", "999"), world.evicted) == (5, 0)
    world.clock.now += 1
    assert not world.has("u6", "999")


class Model:
    """The same in a list of records, each with its user, key, end and value."""

    def __init__(self, size: int, clock: Clock) -> None:
        self.size = size
        self.clock = clock
        self.records: list[tuple[str, str, float, int]] = []
        self.users: list[str] = []  # the newest last

    def get(self, user: str, key: str) -> int | None:
        """Return the value of a record that has not expired."""
        found = [each for each in self.records if each[:2] == (user, key)]
        return found[0][3] if found and self.clock.now < found[0][2] else None

    def put(self, user: str, key: str, value: int) -> None:
        """Add or replace a record, and drop what must go."""
        self.records = [each for each in self.records if self.clock.now < each[2]]
        self._keep_users()
        at = [n for n, each in enumerate(self.records) if each[:2] == (user, key)]
        if at:
            self.records[at[0]] = (*self.records[at[0]][:3], value)
            return
        if user not in self.users:
            self.users.append(user)
        self.records.append((user, key, self.clock.now + LIFETIME, value))
        if len(self.records) > self.size:
            most = max(self.users, key=lambda each: (self._held(each), self.users.index(each)))
            self.records.remove(next(each for each in self.records if each[0] == most))
        self._keep_users()

    def _held(self, user: str) -> int:
        return sum(each[0] == user for each in self.records)

    def _keep_users(self) -> None:
        self.users = [each for each in self.users if self._held(each)]


steps = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from("123456"), st.sampled_from([0, 1, 30])),
    max_size=60,
)


@given(steps, st.integers(1, 8))
@settings(max_examples=300)
def test_any_history(history: Sequence[tuple[str, str, int]], size: int) -> None:
    """In any order of puts and pauses the same records are there as in a model."""
    world = World(size)
    model = Model(size, world.clock)
    for value, (user, key, pause) in enumerate(history):
        world.clock.now += pause
        world.shares.put(user, key, value)
        model.put(user, key, value)
        for some_user in "abcde":
            for some_key in "123456":
                found = world.shares.get(some_user, some_key)
                assert found == model.get(some_user, some_key)
