"""The contract of `IdempotencyStore`, for every implementation: one row in `IMPLEMENTATIONS`."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from msgspec import structs

from gateway.redis_url import RedisUrl
from gateway.rooms import (
    UNKNOWN,
    Created,
    Failed,
    IdempotencyClaim,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    IdempotencyStore,
    Outcome,
)
from gateway.shared_store import connect
from gateway.stores import LocalIdempotencyStore, SharedIdempotencyStore
from tests.fakes.clock import Clock
from tests.fakes.clocked_store import ClockedStore
from tests.fakes.shared_cache import new_prefix
from tests.store_server import StoreServer

T = TypeVar("T")

DAY = 86_400
ROOM = Created("1")
FAILED = Failed("upstream_error")
CLAIM = IdempotencyClaim("alice", "key", "print")

Make = Callable[[Clock, RedisUrl], AbstractAsyncContextManager[IdempotencyStore]]


@asynccontextmanager
async def local(clock: Clock, _: RedisUrl) -> AsyncGenerator[IdempotencyStore]:
    """Give a store in this process's memory."""
    yield LocalIdempotencyStore(clock, lambda: None)


@asynccontextmanager
async def shared(
    clock: Clock, url: RedisUrl, prefix: str | None = None
) -> AsyncGenerator[IdempotencyStore]:
    """Give a store that processes share, of which there is one unless they have one `prefix`."""
    store = ClockedStore(connect(url), prefix or new_prefix(), clock)
    yield SharedIdempotencyStore(store, LocalIdempotencyStore(clock, lambda: None), seconds=60)
    await store.aclose()


IMPLEMENTATIONS: MappingProxyType[str, Make] = MappingProxyType({"local": local, "shared": shared})


@pytest.fixture
def clock() -> Clock:
    """Return the time of one test."""
    return Clock()


@pytest.fixture(params=IMPLEMENTATIONS)
async def store(
    request: pytest.FixtureRequest, clock: Clock, store_server: StoreServer
) -> AsyncGenerator[IdempotencyStore]:
    """Give each implementation in turn."""
    async with IMPLEMENTATIONS[request.param](clock, store_server.url) as made:
        yield made


async def settled(
    store: IdempotencyStore, outcome: Outcome = ROOM, claim: IdempotencyClaim = CLAIM
) -> None:
    """Begin a claim and settle it."""
    assert await store.begin(claim) is None
    await store.settle(claim, outcome)


@pytest.mark.parametrize("outcome", [ROOM, FAILED])
async def test_the_first_outcome_is_given_again(store: IdempotencyStore, outcome: Outcome) -> None:
    """Every later use of a key gets the outcome of the first."""
    await settled(store, outcome)
    assert [await store.begin(CLAIM) for _ in range(3)] == [outcome] * 3


async def test_an_outcome_is_kept_for_a_day(store: IdempotencyStore, clock: Clock) -> None:
    """A day after a create has ended its key is new, however often it was used."""
    await settled(store)
    for _ in range(3):
        clock.now += DAY / 3 - 0.1
        assert await store.begin(CLAIM) == ROOM
    clock.now += 0.4
    assert await store.begin(CLAIM) is None


async def test_one_use_of_a_key_runs_at_a_time(store: IdempotencyStore) -> None:
    """One of many concurrent uses begins and the rest are refused, until it is released."""
    begun = await asyncio.gather(*(store.begin(CLAIM) for _ in range(9)), return_exceptions=True)
    assert begun.count(None) == 1
    assert sum(isinstance(each, IdempotencyInProgress) for each in begun) == 8
    with pytest.raises(IdempotencyInProgress) as caught:
        await store.begin(CLAIM)
    assert caught.value.retry_after == 1
    await store.release(CLAIM)
    assert await store.begin(CLAIM) is None


@pytest.mark.parametrize("running", [True, False])
async def test_another_create_is_refused(store: IdempotencyStore, *, running: bool) -> None:
    """A key that stands for one create is refused for another, running or settled."""
    another = structs.replace(CLAIM, fingerprint="another")
    if running:
        await store.begin(CLAIM)
    else:
        await settled(store)
    with pytest.raises(IdempotencyKeyReused):
        await store.begin(another)
    if running:
        with pytest.raises(IdempotencyInProgress):
            await store.begin(CLAIM)
    else:
        assert await store.begin(CLAIM) == ROOM


async def test_an_outcome_can_be_replaced(store: IdempotencyStore, clock: Clock) -> None:
    """A second `settle` of a claim replaces the first outcome until the day is over."""
    await settled(store)
    clock.now += DAY - 1
    await store.settle(CLAIM, FAILED)
    assert await store.begin(CLAIM) == FAILED
    clock.now += 2
    assert await store.begin(CLAIM) is None


async def test_an_unknown_outcome_replaces_none(store: IdempotencyStore) -> None:
    """What a callback has told holds, also once the create itself has ended as unknown."""
    assert await store.begin(CLAIM) is None
    assert await store.settle(CLAIM, ROOM) == ROOM
    assert await store.settle(CLAIM, UNKNOWN) == ROOM
    assert await store.begin(CLAIM) == ROOM


async def test_what_another_process_was_told_holds(clock: Clock, store_server: StoreServer) -> None:
    """A process whose create ends as unknown learns of the room that another was told of."""
    prefix = new_prefix()
    async with (
        shared(clock, store_server.url, prefix) as sender,
        shared(clock, store_server.url, prefix) as hearer,
    ):
        assert await sender.begin(CLAIM) is None
        assert await hearer.settle(CLAIM, ROOM) == ROOM
        assert await sender.settle(CLAIM, UNKNOWN) == ROOM
        assert [await each.begin(CLAIM) for each in (sender, hearer)] == [ROOM] * 2


async def test_a_room_replaces_an_unknown_outcome(store: IdempotencyStore) -> None:
    """A create of unknown outcome has the one that a callback tells later."""
    assert await store.begin(CLAIM) is None
    assert await store.settle(CLAIM, UNKNOWN) == UNKNOWN
    assert await store.begin(CLAIM) == UNKNOWN
    assert await store.settle(CLAIM, ROOM) == ROOM
    assert await store.begin(CLAIM) == ROOM


@pytest.mark.parametrize("users", [1, 50, 17_520])
async def test_others_cannot_push_an_outcome_out(
    store: IdempotencyStore, clock: Clock, users: int
) -> None:
    """An outcome is kept for its day, however many creates others make, few or many of them."""
    await settled(store)
    for number in range(17_520):
        clock.now += 4.9
        await settled(store, ROOM, IdempotencyClaim(f"other{number % users}", str(number), "print"))
    assert await store.begin(CLAIM) == ROOM


@pytest.mark.parametrize(
    "other",
    [
        IdempotencyClaim("bob", "key", "print"),
        IdempotencyClaim("alice", "Key", "x"),
        IdempotencyClaim("ali", "cekey", ""),
    ],
)
async def test_keys_do_not_meet(store: IdempotencyStore, other: IdempotencyClaim) -> None:
    """Another user's equal key, and another key, are new keys."""
    await settled(store)
    assert await store.begin(other) is None
    assert await store.begin(CLAIM) == ROOM


class History(RuleBasedStateMachine):
    """A few users with few keys and bodies, against a model without bounds."""

    claims = st.builds(
        IdempotencyClaim, st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from("12")
    )
    outcomes = st.sampled_from([ROOM, FAILED])

    make: Make
    url: RedisUrl

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.runner = asyncio.Runner()
        self.made = self.make(self.clock, self.url)
        self.store = self.run(self.made.__aenter__())
        self.running: dict[tuple[str, str], IdempotencyClaim] = {}
        self.ended: dict[tuple[str, str], tuple[IdempotencyClaim, Outcome, float]] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`."""
        return self.runner.run(work)

    def teardown(self) -> None:
        """Close the store."""
        self.run(self.made.__aexit__(None, None, None))
        self.runner.close()

    @rule(claim=claims)
    def begin(self, claim: IdempotencyClaim) -> None:
        """Use a key."""
        key = (claim.user_id, claim.key)
        held, outcome, _ = self.ended.get(key, (self.running.get(key), None, 0.0))
        if held is None:
            assert self.run(self.store.begin(claim)) is None
            self.running[key] = claim
        elif held != claim:
            with pytest.raises(IdempotencyKeyReused):
                self.run(self.store.begin(claim))
        elif outcome is None:
            with pytest.raises(IdempotencyInProgress):
                self.run(self.store.begin(claim))
        else:
            assert self.run(self.store.begin(claim)) == outcome

    @rule(data=st.data(), outcome=st.none() | outcomes)
    def end(self, data: st.DataObject, outcome: Outcome | None) -> None:
        """End a running claim, with or without an outcome."""
        if not self.running:
            return
        key = data.draw(st.sampled_from(sorted(self.running)))
        claim = self.running.pop(key)
        if outcome is None:
            self.run(self.store.release(claim))
        else:
            self.run(self.store.settle(claim, outcome))
            self.ended[key] = (claim, outcome, self.clock.now + DAY)

    @rule(seconds=st.sampled_from([1, 3600, DAY / 2, DAY]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.now += seconds
        now = self.clock.now
        self.ended = {key: kept for key, kept in self.ended.items() if kept[2] > now}


HISTORIES = settings(max_examples=150, stateful_step_count=30, derandomize=True, database=None)


@pytest.mark.parametrize("make", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
def test_any_history(make: Make, store_server: StoreServer) -> None:
    """In any order of uses, ends and pauses a store gives what its model gives."""
    made = {"make": staticmethod(make), "url": store_server.url}
    machine = type("HistoryOfOne", (History,), made)
    run_state_machine_as_test(machine, settings=HISTORIES)
