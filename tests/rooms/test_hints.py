"""The vendor's hints: rooms evicted, creates of unknown outcome settled, within bounds."""

import asyncio
from contextvars import ContextVar

import pytest

from gateway.rooms import (
    AnchorRoom,
    Created,
    Failed,
    Hint,
    HintOutcome,
    Hints,
    IdempotencyClaim,
    OpenCreate,
    Patience,
    RecentWrites,
    RoomNotFound,
    SettledCreate,
    UpstreamTimeout,
)
from tests.fakes.clock import Clock
from tests.fakes.rooms import IdempotencyStore, OpenCreates, RoomCache, Upstream, room_of
from tests.fakes.tasks import settle, until

CLAIM = IdempotencyClaim("alice", "key", "print")
CREATE = OpenCreate(CLAIM, "alice", "Friday")
MADE = Hint(("1",), "id-1")


class Reports:
    """All that is reported."""

    def __init__(self) -> None:
        self.outcomes: list[HintOutcome] = []
        self.creates: list[SettledCreate] = []

    def taken(self, _: Hint, outcome: HintOutcome) -> None:
        """Note it."""
        self.outcomes.append(outcome)

    def settled(self, create: SettledCreate) -> None:
        """Note it."""
        self.creates.append(create)


class HeldCache(RoomCache):
    """A cache whose evictions wait for `gate`."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def invalidate(self, live_id: str) -> None:
        """Record the call, and wait."""
        await super().invalidate(live_id)
        await self.gate.wait()


class World:
    """Hints over fakes, with one open create `id-1` of alice's."""

    def __init__(
        self,
        *reads: AnchorRoom | Exception,
        cache: RoomCache | None = None,
        most_rooms: int = 100,
        most_creates: int = 100,
    ) -> None:
        self.clock = Clock()
        self.cache = cache or RoomCache()
        self.upstream = Upstream(*reads)
        self.recent = RecentWrites(5, clock=self.clock)
        self.store = IdempotencyStore()
        self.creates = OpenCreates()
        self.creates.add("id-1", CREATE)
        self.reports = Reports()
        self.hints = Hints(
            self.cache,
            self.upstream,
            self.recent,
            self.store,
            self.creates,
            patience=Patience(8, clock=self.clock, sleep=self.clock.sleep),
            reports=self.reports,
            most_rooms=most_rooms,
            most_creates=most_creates,
        )

    async def told(self, *hints: Hint) -> None:
        """Take hints, and wait until there is nothing more to do."""
        before = asyncio.all_tasks()
        for each in hints:
            self.hints.take(each)
        await until(lambda: asyncio.all_tasks() == before)


async def test_every_room_of_a_hint_is_evicted() -> None:
    """A hint evicts its rooms, and reads none of them."""
    world = World()
    await world.told(Hint(("1", "2")))
    assert world.cache.calls == ["invalidate 1", "invalidate 2"]
    assert world.reports.outcomes == [HintOutcome.EVICTED]
    assert world.upstream.calls == []


async def test_taking_a_hint_waits_for_nothing() -> None:
    """When `take` returns, no work has begun."""
    world = World(room_of())
    world.hints.take(MADE)
    assert (world.cache.calls, world.upstream.calls) == ([], [])
    await world.hints.aclose()


async def test_a_hint_of_no_room_is_ignored() -> None:
    """A hint without a room does nothing."""
    world = World()
    await world.told(Hint())
    assert world.reports.outcomes == [HintOutcome.IGNORED]
    assert world.cache.calls == []


async def test_hints_about_one_room_share_an_eviction() -> None:
    """Of many hints those before an eviction share it, and those during it share another."""
    cache = HeldCache()
    world = World(cache=cache)
    for _ in range(9):
        world.hints.take(Hint(("1",)))
    await settle()
    assert cache.calls == ["invalidate 1"]
    for _ in range(9):
        world.hints.take(Hint(("1",)))
    cache.gate.set()
    await settle()
    assert cache.calls == ["invalidate 1"] * 2
    assert world.reports.outcomes == [HintOutcome.EVICTED] * 18


async def test_evictions_belong_to_no_request() -> None:
    """Evictions for many requests are not charged to the request that began them."""
    request: ContextVar[str] = ContextVar("request", default="none")
    charged: list[str] = []

    class Charging(RoomCache):
        async def invalidate(self, _live_id: str) -> None:
            charged.append(request.get())

    world = World(cache=Charging())
    request.set("one")
    await world.told(Hint(("1",)))
    assert charged == ["none"]


async def test_too_many_rooms_are_dropped() -> None:
    """A hint beyond the bound is dropped, and later ones are taken again."""
    cache = HeldCache()
    world = World(cache=cache, most_rooms=2)
    for number in range(5):
        world.hints.take(Hint((str(number),)))
    assert world.reports.outcomes == [HintOutcome.EVICTED] * 2 + [HintOutcome.DROPPED] * 3
    cache.gate.set()
    await settle()
    await world.told(Hint(("9",)))
    assert cache.calls == ["invalidate 0", "invalidate 1", "invalidate 9"]


async def test_an_unknown_create_is_settled() -> None:
    """The room that was asked for becomes the outcome, and counts as just created."""
    world = World(room_of())
    await world.store.settle(CLAIM, Failed("outcome_unknown"))
    await world.told(MADE)
    assert world.store.known == {"key": Created("1")}
    assert world.reports.creates == [SettledCreate("id-1", "alice", "1", settled=True)]
    assert world.creates.now == {}
    assert world.recent.count == 1
    assert world.cache.calls == ["invalidate 1"]


async def test_it_looks_again_while_the_room_is_not_there() -> None:
    """A replica that lags, and a read that fails, delay the outcome only."""
    world = World(RoomNotFound(), UpstreamTimeout("late"), room_of())
    await world.told(MADE)
    assert world.upstream.calls == ["read 1"] * 3
    assert world.store.known == {"key": Created("1")}


async def test_a_room_that_never_comes_settles_nothing() -> None:
    """A room that cannot be read in time leaves the create as it is."""
    world = World(RoomNotFound())
    await world.told(MADE)
    assert world.clock.now <= 1008
    assert (world.store.known, world.creates.now) == ({}, {"id-1": CREATE})
    assert world.reports.creates == [SettledCreate("id-1", "alice", "1", settled=False)]


@pytest.mark.parametrize("room", [room_of("bob"), room_of(title="Saturday")])
async def test_another_room_settles_nothing(room: AnchorRoom) -> None:
    """A room of another anchor, or with another title, is not the one that was asked for."""
    world = World(room)
    await world.told(MADE)
    assert (world.upstream.calls, world.store.known) == (["read 1"], {})
    assert world.reports.creates == [SettledCreate("id-1", "alice", "1", settled=False)]


async def test_a_create_that_ends_by_itself_costs_no_read() -> None:
    """A create whose reply comes just after the callback is not read again."""
    world = World(room_of())
    world.hints.take(MADE)
    world.creates.remove("id-1")
    await world.told()
    assert (world.upstream.calls, world.store.known) == ([], {})
    assert world.reports.creates == []


@pytest.mark.parametrize("request_id", ["id-2", None])
async def test_only_the_request_id_leads_to_a_create(request_id: str | None) -> None:
    """A hint with an unknown request id, or none, evicts the room and settles nothing."""
    world = World(room_of())
    await world.told(Hint(("1",), request_id))
    assert (world.upstream.calls, world.store.known) == ([], {})
    assert world.cache.calls == ["invalidate 1"]


async def test_too_many_creates_are_dropped() -> None:
    """Beyond the bound a room is evicted, but no create looked for."""
    world = World(room_of(), most_creates=1)
    await world.told(MADE, Hint(("2",), "id-1"))
    assert world.reports.outcomes == [HintOutcome.EVICTED, HintOutcome.DROPPED]
    assert world.cache.calls == ["invalidate 1", "invalidate 2"]
    assert world.upstream.calls == ["read 1"]


async def test_closing_ends_the_work() -> None:
    """`aclose` leaves no task behind."""
    before = asyncio.all_tasks()
    world = World(room_of(), cache=HeldCache())
    world.hints.take(MADE)
    await asyncio.sleep(0)
    await world.hints.aclose()
    assert asyncio.all_tasks() == before
    assert world.store.known == {}
