"""An operator's orders, from the supervisor to its workers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import orders
from gateway.orders import MOST, OrderBook, OrderFollower, shared_orders
from gateway.rooms import InvalidRequest, Refusals

NOW = 1_800_000_000.0
ALL = "all rooms"


class World:
    """An operator's book, and a follower that notes what it is told."""

    def __init__(self) -> None:
        self.now = NOW
        self.text = shared_orders()
        self.book = OrderBook(self.text, lambda: self.now)
        self.refusals = Refusals({}, {})
        self.evicted: list[str] = []
        self.follower = self.another()

    def another(self) -> OrderFollower:
        """Return one more follower."""
        return OrderFollower(self.text, self._refuse, self._evict, self._evict_all)

    def _refuse(self, refusals: Refusals) -> None:
        self.refusals = refusals

    async def _evict(self, live_id: str) -> None:
        self.evicted.append(live_id)

    async def _evict_all(self) -> None:
        self.evicted.append(ALL)


async def test_who_is_refused_is_known_to_all_followers() -> None:
    """A follower knows each refusal after its next look, and a later one knows all of them."""
    world = World()
    await world.follower.look()
    world.book.refuse("users", "bob", NOW + 60)
    world.book.refuse("tokens", "1", NOW + 30)
    for follower in (world.follower, world.another()):
        world.refusals = Refusals({}, {})
        await follower.look()
        assert (
            world.refusals == Refusals({"bob": NOW + 60}, {"1": NOW + 30}) == world.book.in_force()
        )
    world.book.allow("users", "bob")
    world.book.allow("users", "nobody")
    await world.follower.look()
    assert world.refusals == Refusals({}, {"1": NOW + 30})
    world.book.allow("tokens", "1")
    await world.follower.look()
    assert not world.refusals


async def test_past_refusals_are_dropped() -> None:
    """A refusal is listed until its time; those of the past are not handed on."""
    world = World()
    world.book.refuse("users", "bob", NOW + 1)
    world.now += 1
    assert not world.book.in_force()
    world.book.refuse("users", "carol", NOW + 9)
    await world.follower.look()
    assert world.refusals == Refusals({"carol": NOW + 9}, {})


async def test_rooms_are_evicted_once_and_in_order() -> None:
    """A follower evicts each room once, and for other orders none again."""
    world = World()
    for live_id in "aba":
        world.book.evict(live_id)
    await world.follower.look()
    world.book.refuse("users", "bob", NOW + 1)
    await world.follower.look()
    world.book.evict("c")
    await world.follower.look()
    await world.follower.look()
    assert "".join(world.evicted) == "abac"


@given(st.lists(st.integers(0, 12), max_size=8))
async def test_a_follower_that_missed_too_much_evicts_all(looks: list[int]) -> None:
    """Between two looks any number of rooms is evicted, whichever of them are still known."""
    known = 5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orders, "_EVICTIONS", known)
        world = World()
    for number in looks:
        world.evicted.clear()
        rooms = [f"{place}" for place in range(number)]
        for live_id in rooms:
            world.book.evict(live_id)
        await world.follower.look()
        assert world.evicted == (rooms if number <= known else [ALL])


async def test_refusals_are_bounded_and_the_longest_fit() -> None:
    """The most refusals with the longest names reach a follower; one more is refused."""
    world = World()
    users = [f"{number:05}" + "\U0001f600" * 123 for number in range(MOST)]
    tokens = [f"{number:05}" + "x" * 251 for number in range(MOST)]
    world.book._refused = {  # noqa: SLF001  # one by one takes a minute
        "users": dict.fromkeys(users, NOW + 1),
        "tokens": dict.fromkeys(tokens, NOW + 1),
    }
    for _ in range(orders._EVICTIONS):  # noqa: SLF001  # as many as there may be
        world.book._evicted.append("r" * 64)  # noqa: SLF001  # same
    with pytest.raises(InvalidRequest):
        world.book.refuse("users", "one more", NOW + 1)
    world.book.refuse("users", users[0], NOW + 2)
    await world.follower.look()
    assert world.refusals == world.book.in_force()
    assert world.refusals.cover(users[0], "", NOW + 1)
    world.now += 1
    world.book.refuse("users", "one more", NOW + 2)
