"""Places of each user: their number, turns in order, ends, and nothing left over."""

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rooms import FairShare, Overloaded, share_of
from tests.fakes.tasks import settle


class World:
    """Work of users that ends when it is told to, with two places for each."""

    def __init__(self, seconds: float = 60) -> None:
        self.refusals = 0
        self.share = FairShare(2, seconds, self._refused)
        self.under_way: list[str | None] = []
        self.end = asyncio.Event()

    def _refused(self) -> None:
        self.refusals += 1

    def begin(self, user_id: str | None = "mallory") -> asyncio.Task[None]:
        """Begin work for a user."""
        return asyncio.create_task(self._work(user_id))

    async def _work(self, user_id: str | None) -> None:
        with await self.share.place(user_id):
            self.under_way.append(user_id)
            try:
                await self.end.wait()
            finally:
                self.under_way.remove(user_id)


@pytest.mark.parametrize(
    ("connections", "share"), [(1, 1), (2, 2), (3, 2), (20, 2), (30, 3), (100, 10), (109, 10)]
)
def test_a_share_is_a_tenth_but_two_at_least(connections: int, share: int) -> None:
    """A user may have a tenth of the connections, two of a few, and never more than there are."""
    assert share_of(connections) == share


async def test_users_do_not_wait_for_each_other() -> None:
    """A user with much work has two of it under way, and another user begins at once."""
    world = World()
    work = [world.begin() for _ in range(50)]
    await settle()
    assert world.under_way == ["mallory"] * 2
    work.append(world.begin("bob"))
    await settle()
    assert world.under_way == ["mallory", "mallory", "bob"]
    world.end.set()
    await asyncio.gather(*work)
    assert world.share.users == 0


async def test_work_for_nobody_needs_no_place() -> None:
    """Any amount of the gateway's own work begins at once, and nobody is counted."""
    world = World()
    work = [world.begin(None) for _ in range(5)]
    await settle()
    assert (len(world.under_way), world.share.users) == (5, 0)
    assert world.share.try_take(None)
    world.end.set()
    await asyncio.gather(*work)


async def test_turns_come_in_order() -> None:
    """The one who has waited longest is next, also past one who has left."""
    share = FairShare(1, 60, lambda: None)
    order: list[int] = []

    async def work(number: int) -> None:
        with await share.place("mallory"):
            order.append(number)

    place = share.try_take("mallory")
    assert place
    tasks = [asyncio.create_task(work(number)) for number in range(4)]
    await settle()
    tasks[1].cancel()
    assert not share.try_take("mallory")
    place.let_go()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [0, 2, 3]
    assert share.users == 0


async def test_waiting_has_an_end() -> None:
    """Work without a place in time is refused, and counted; what is under way goes on."""
    world = World(seconds=0.01)
    first = [world.begin(), world.begin()]
    await settle()
    with pytest.raises(Overloaded) as refusal:
        await world.begin()
    assert refusal.value.retry_after
    assert world.refusals == 1
    world.end.set()
    await asyncio.gather(*first)
    assert world.share.users == 0


async def test_a_place_is_held_until_all_have_let_go() -> None:
    """A task that outlives its request keeps the place taken."""
    share = FairShare(1, 60, lambda: None)
    with await share.place("mallory") as place:
        let_go = place.hold()
    assert share.try_take("mallory") is None
    let_go()
    assert share.users == 0


async def test_a_turn_that_comes_while_its_waiter_leaves_is_passed_on() -> None:
    """A place is not lost to one who was cancelled in the moment of getting it."""
    share = FairShare(1, 60, lambda: None)

    async def work() -> None:
        with await share.place("mallory"):
            pass

    place = share.try_take("mallory")
    assert place
    leaving, staying = asyncio.create_task(work()), asyncio.create_task(work())
    await settle()
    place.let_go()
    leaving.cancel()
    await asyncio.wait_for(staying, 5)
    assert leaving.cancelled()
    assert share.users == 0


@given(
    steps=st.lists(st.sampled_from(["begin", "cancel", "try", "let go", "pass"]), max_size=80),
    random=st.randoms(),
)
def test_places_add_up(steps: list[str], random: Random) -> None:
    """In any order a user has at most two at once, and in the end no user is in memory."""

    async def run() -> None:
        world = World()
        work: list[asyncio.Task[None]] = []
        taken = []
        for step in steps:
            user_id = random.choice(["mallory", "bob"])
            if step == "begin":
                work.append(world.begin(user_id))
            elif step == "cancel" and work:
                random.choice(work).cancel()
            elif step == "try" and (place := world.share.try_take(user_id)):
                taken.append((user_id, place))
            elif step == "let go" and taken:
                taken.pop()[1].let_go()
            else:
                await asyncio.sleep(0)
            for each in ("mallory", "bob"):
                mine = world.under_way.count(each) + [user for user, _ in taken].count(each)
                assert mine <= 2
        for _, place in taken:
            place.let_go()
        world.end.set()
        await asyncio.gather(*work, return_exceptions=True)
        assert world.share.users == 0

    asyncio.run(run())
