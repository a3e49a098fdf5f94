"""Anchors by their exact id: looked up once, remembered, registered where that is on."""

import asyncio

import pytest

from gateway.cache import KnownAnchors
from gateway.rooms import (
    AnchorNotRegistered,
    Caller,
    GatewayError,
    OutcomeUnknown,
    Patience,
    UpstreamError,
    UpstreamFailure,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.fakes.clock import Clock
from tests.fakes.rooms import ALICE, BOB, Upstream
from tests.fakes.tasks import settle

NEW = Caller("new", name="Newcomer", picture="https://example.test/new.png")


class Users(Upstream):
    """An upstream with `users`; each registration shows after `lag` further look-ups.

    `failure` is raised by look-ups, `refusal` by registrations.
    """

    def __init__(self, *users: str, lag: int = 0) -> None:
        super().__init__()
        self.users = set(users)
        self.lag = lag
        self.hidden: dict[str, int] = {}
        self.answering = asyncio.Event()
        self.answering.set()
        self.failure: GatewayError | None = None
        self.refusal: GatewayError | None = None

    async def find_user(self, user_id: str) -> str | None:
        """Look a user up."""
        self.calls.append(f"find {user_id}")
        await self.answering.wait()
        if self.failure is not None:
            raise self.failure
        if self.hidden.get(user_id, 0) > 0:
            self.hidden[user_id] -= 1
            return None
        return user_id if user_id in self.users else None

    async def register(self, user_id: str, nick: str, avatar: str) -> None:
        """Register a user."""
        self.calls.append(f"register {user_id} {nick} {avatar}")
        await self.answering.wait()
        if self.refusal is not None:
            raise self.refusal
        self.users.add(user_id)
        self.hidden[user_id] = self.lag


class World:
    """Known anchors over these users, and the time both live in."""

    def __init__(self, users: Users, *, register: bool = False, size: int = 100) -> None:
        self.clock = Clock()
        self.users = users
        patience = Patience(3, clock=self.clock, sleep=self.clock.sleep)
        self.anchors = KnownAnchors(users, patience, register=register, clock=self.clock, size=size)

    async def refused(self, anchor_id: str, caller: Caller) -> bool:
        """Return true if this anchor may have no room, and no create was sent."""
        with pytest.raises(AnchorNotRegistered) as caught:
            await self.anchors.require(anchor_id, caller)
        return not caught.value.sent


async def test_a_known_anchor_is_looked_up_once_in_minutes() -> None:
    """A user who was found is not looked up again for five minutes, then once more."""
    world = World(Users("alice"))
    for _ in range(3):
        await world.anchors.require("alice", ALICE)
        world.clock.now += 99
    assert world.users.calls == ["find alice"]
    world.clock.now += 4
    await world.anchors.require("alice", ALICE)
    assert world.users.calls == ["find alice"] * 2


@pytest.mark.parametrize("other", ["ALICE", "Alice", "alicé", "bob"])
async def test_another_spelling_is_another_user(other: str) -> None:
    """Only the exact id counts, also where another spelling is remembered."""
    world = World(Users("alice"))
    await world.anchors.require("alice", ALICE)
    assert await world.refused(other, Caller(other))


async def test_an_unknown_user_is_not_remembered() -> None:
    """A user who was not there is looked up again the next time, and may be there by then."""
    world = World(Users())
    assert await world.refused("alice", ALICE)
    world.users.users.add("alice")
    await world.anchors.require("alice", ALICE)
    assert world.users.calls == ["find alice"] * 2


async def test_one_look_up_serves_all() -> None:
    """Creates of one anchor that come at once share a look-up, whoever makes them."""
    world = World(Users("alice"))
    world.users.answering.clear()
    callers = [ALICE, BOB, *[ALICE] * 8]
    waiting = [asyncio.create_task(world.anchors.require("alice", each)) for each in callers]
    await settle()
    world.users.answering.set()
    await asyncio.gather(*waiting)
    assert world.users.calls == ["find alice"]


@pytest.mark.parametrize(
    "error",
    [UpstreamTimeout("late"), UpstreamError("odd"), UpstreamUnavailable("open", retry_after=3)],
)
async def test_a_failed_look_up_leaves_the_create_unsent(error: UpstreamFailure) -> None:
    """The error is told as it is, but for the fact that no create was sent; it is not kept."""
    world = World(Users("alice"), register=True)
    world.users.failure = error
    with pytest.raises(UpstreamFailure) as caught:
        await world.anchors.require("alice", ALICE)
    assert caught.value is error
    assert not caught.value.sent
    world.users.failure = None
    await world.anchors.require("alice", ALICE)


async def test_the_memory_is_bounded() -> None:
    """However many users create, no more than so many are remembered."""
    world = World(Users(*map(str, range(50))), size=10)
    for number in range(50):
        await world.anchors.require(str(number), ALICE)
    await world.anchors.require("0", ALICE)
    assert world.users.calls.count("find 0") == 2


async def test_nobody_is_registered_unless_that_is_on() -> None:
    """By default an unknown creator is refused, and nothing is written upstream."""
    world = World(Users())
    assert await world.refused("new", NEW)
    assert world.users.calls == ["find new"]


async def test_a_first_create_registers_its_caller() -> None:
    """A caller unknown upstream is registered with name and picture, and remembered."""
    world = World(Users(), register=True)
    for _ in range(3):
        await world.anchors.require("new", NEW)
    assert world.users.calls == [
        "find new",
        "register new Newcomer https://example.test/new.png",
        "find new",
    ]


async def test_a_known_caller_costs_no_further_call() -> None:
    """A user known already is not registered."""
    world = World(Users("alice"), register=True)
    await world.anchors.require("alice", ALICE)
    assert world.users.calls == ["find alice"]


async def test_nobody_registers_another() -> None:
    """An administrator creates for users that exist, and makes none."""
    world = World(Users(), register=True)
    assert await world.refused("new", ALICE)
    assert world.users.calls == ["find new"]


async def test_a_registration_is_made_once() -> None:
    """First creates that come at once share one registration."""
    world = World(Users(), register=True)
    await asyncio.gather(*(world.anchors.require("new", NEW) for _ in range(10)))
    assert [call for call in world.users.calls if call.startswith("register")] == [
        "register new Newcomer https://example.test/new.png"
    ]


async def test_a_registration_that_a_replica_does_not_show_yet_is_waited_for() -> None:
    """The create goes on once the look-up shows the new user, so that the vendor finds it too."""
    world = World(Users(lag=3), register=True)
    await world.anchors.require("new", NEW)
    assert world.users.calls.count("find new") == 5
    assert world.clock.now > 1000


async def test_a_registered_user_who_does_not_show_is_waited_for_no_longer() -> None:
    """A new user whom no look-up shows by the deadline is a timeout; the create was not sent."""
    world = World(Users(lag=1000), register=True)
    with pytest.raises(UpstreamTimeout) as caught:
        await world.anchors.require("new", NEW)
    assert not caught.value.sent
    assert world.clock.now < 1003


async def test_an_id_that_is_taken_in_another_spelling_is_refused() -> None:
    """A registration that finds only another spelling ends in a refusal, at once."""
    world = World(Users("alice"), register=True)
    world.users.refusal = AnchorNotRegistered()
    assert await world.refused("ALICE", Caller("ALICE"))
    assert world.clock.now == 1000


@pytest.mark.parametrize(
    "error",
    [UpstreamError("refused"), OutcomeUnknown("cut"), UpstreamUnavailable("open", retry_after=1)],
)
async def test_a_failed_registration_leaves_the_create_unsent(error: UpstreamFailure) -> None:
    """A registration that failed is an outage, not a refusal, and no create was sent."""
    world = World(Users(), register=True)
    world.users.refusal = error
    with pytest.raises(UpstreamFailure) as caught:
        await world.anchors.require("new", NEW)
    assert caught.value is error
    assert not caught.value.sent
    assert world.users.calls[-1].startswith("register")


async def test_closing_waits_for_what_runs() -> None:
    """At the end a look-up in flight ends, and its caller is answered."""
    world = World(Users("alice"))
    world.users.answering.clear()
    waiting = asyncio.create_task(world.anchors.require("alice", ALICE))
    await settle()
    closing = asyncio.create_task(world.anchors.aclose())
    await settle()
    assert not closing.done()
    world.users.answering.set()
    await closing
    await waiting
