"""LocalIdempotencyStore: claims, lifetime and bounds, by a clock that is told the time."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from msgspec import structs

from gateway.cache import LocalIdempotencyStore
from gateway.rooms import (
    Created,
    Creator,
    Failed,
    IdempotencyClaim,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    NewRoom,
    Outcome,
)
from gateway.secret import Secret
from tests.cache.fakes import Clock
from tests.cache.reachable import texts_in
from tests.rooms.fakes import ALICE, NOW, PUSH_URL, Upstream, room_of

T = TypeVar("T")

DAY = 86_400
ROOM = Created(room_of().for_viewers())
FAILED = Failed("upstream_error")
TICKET = IdempotencyClaim("alice", "key", "print")


def done(work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` comes to; it never has to wait, so no event loop is needed."""
    try:
        work.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    raise AssertionError("it waits for something")


class Remembered:
    """IdempotencyStore, and the time they live in."""

    def __init__(self, size: int = 1 << 20) -> None:
        self.clock = Clock()
        self.store = LocalIdempotencyStore(self.clock, size=size)

    def claim(self, claim: IdempotencyClaim = TICKET) -> Outcome | None:
        """Claim a key."""
        return done(self.store.claim(claim))

    def settle(self, outcome: Outcome = ROOM, claim: IdempotencyClaim = TICKET) -> None:
        """Claim a key and end the claim."""
        assert self.claim(claim) is None
        done(self.store.settle(claim, outcome))


@pytest.mark.parametrize("outcome", [ROOM, FAILED])
def test_the_first_outcome_is_told_again(outcome: Outcome) -> None:
    """As often as asked."""
    remembered = Remembered()
    remembered.settle(outcome)
    assert [remembered.claim() for _ in range(3)] == [outcome] * 3


def test_it_is_told_for_a_day() -> None:
    """From its end, however often it is asked for; then the key is a new one."""
    remembered = Remembered()
    remembered.settle()
    for _ in range(3):
        remembered.clock.now += DAY / 3 - 0.1
        assert remembered.claim() == ROOM
    remembered.clock.now += 0.3
    assert remembered.claim() is None


def test_one_at_a_time() -> None:
    """While the first runs the others are refused; once it is released the next is the first."""
    remembered = Remembered()
    assert remembered.claim() is None
    for _ in range(9):
        with pytest.raises(IdempotencyInProgress) as caught:
            remembered.claim()
        assert caught.value.retry_after == 1
    done(remembered.store.release(TICKET))
    assert remembered.claim() is None


@pytest.mark.parametrize("running", [True, False])
def test_another_body_is_refused(*, running: bool) -> None:
    """Whether the first still runs or has ended; it stays what it was."""
    remembered = Remembered()
    if running:
        remembered.claim()
    else:
        remembered.settle()
    with pytest.raises(IdempotencyKeyReused):
        remembered.claim(structs.replace(TICKET, fingerprint="another"))
    if running:
        with pytest.raises(IdempotencyInProgress):
            remembered.claim()
    else:
        assert remembered.claim() == ROOM


@pytest.mark.parametrize(
    "other",
    [
        IdempotencyClaim("bob", "key", "print"),
        IdempotencyClaim("alice", "Key", "x"),
        IdempotencyClaim("ali", "cekey", ""),
    ],
)
def test_keys_do_not_meet(other: IdempotencyClaim) -> None:
    """Another user's key, or another key, is another."""
    remembered = Remembered()
    remembered.settle()
    assert remembered.claim(other) is None
    assert remembered.claim() == ROOM


def test_bound() -> None:
    """The bytes that are held stay below the bound; the longest unused go first."""
    remembered = Remembered(size=100_000)
    first = structs.replace(TICKET, key="first")
    remembered.settle(claim=first)
    for number in range(1000):
        assert remembered.claim(first) == ROOM
        remembered.settle(claim=structs.replace(TICKET, key=str(number)))
    sizes = [len(text) for text in texts_in(remembered.store) if "live_id" in text]
    assert 40 < len(sizes) < 100
    assert sum(sizes) + 1000 * len(sizes) <= 100_000
    assert remembered.claim(structs.replace(TICKET, key="0")) is None


def test_an_outcome_larger_than_the_bound_is_kept_alone() -> None:
    """A room of any size is remembered rather than made twice; what comes next replaces it."""
    remembered = Remembered(size=10_000)
    large = Created(structs.replace(ROOM.room, title="t" * 50_000))
    remembered.settle(FAILED, structs.replace(TICKET, key="before"))
    remembered.settle(large)
    assert remembered.claim() == large
    remembered.settle(FAILED, structs.replace(TICKET, key="after"))
    assert remembered.claim() is None


def test_what_runs_is_never_pushed_out() -> None:
    """Neither by others nor by time: a claim ends only when it is ended."""
    remembered = Remembered(size=10_000)
    assert remembered.claim() is None
    for number in range(100):
        remembered.settle(claim=structs.replace(TICKET, key=str(number)))
    remembered.clock.now += 2 * DAY
    with pytest.raises(IdempotencyInProgress):
        remembered.claim()


def test_nothing_is_left_of_a_claim_that_has_ended() -> None:
    """Released keys leave nothing behind, expired outcomes nothing once another is kept."""
    remembered = Remembered()
    for number in range(100):
        claim = structs.replace(TICKET, user_id=f"released{number}")
        remembered.claim(claim)
        done(remembered.store.release(claim))
        remembered.settle(claim=structs.replace(TICKET, user_id=f"expired{number}"))
    remembered.clock.now += DAY
    remembered.settle(claim=structs.replace(TICKET, user_id="last"))
    users = {text for text in texts_in(remembered.store) if text.startswith(("rele", "exp", "las"))}
    assert users == {"last"}


def test_no_push_url_is_reachable() -> None:
    """Walk every object that a creator and its outcomes refer to: the secret is in none of them."""
    remembered = Remembered()
    creator = Creator(Upstream(room_of()), remembered.store)
    new_room = NewRoom(anchor_id="alice", title="Friday")

    async def created_twice() -> list[object]:
        shown = [await creator.create(ALICE, new_room, now=NOW, key="key") for _ in range(2)]
        return [each.room for each in shown]

    shown = asyncio.run(created_twice())
    assert [getattr(room, "push_url", None) for room in shown] == [Secret(PUSH_URL)] * 2
    texts = texts_in(creator, Upstream)
    assert any('"live_id":"1"' in text for text in texts)
    assert not any("push" in text for text in texts)
    remembered.store.leak = shown[:1]  # type: ignore[attr-defined]  # positive control
    assert any(PUSH_URL in text for text in texts_in(creator, Upstream))


class Creates(RuleBasedStateMachine):
    """A few users with few keys and bodies, against a model that forgets nothing but by time."""

    tickets = st.builds(
        IdempotencyClaim, st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from("12")
    )
    outcomes = st.sampled_from([ROOM, FAILED])

    def __init__(self) -> None:
        super().__init__()
        self.remembered = Remembered()
        self.running: dict[tuple[str, str], IdempotencyClaim] = {}
        self.ended: dict[tuple[str, str], tuple[IdempotencyClaim, Outcome, float]] = {}

    @rule(claim=tickets)
    def claim(self, claim: IdempotencyClaim) -> None:
        """Ask to create."""
        key = (claim.user_id, claim.key)
        held, outcome, _ = self.ended.get(key, (self.running.get(key), None, 0.0))
        if held is None:
            assert self.remembered.claim(claim) is None
            self.running[key] = claim
        elif held != claim:
            with pytest.raises(IdempotencyKeyReused):
                self.remembered.claim(claim)
        elif outcome is None:
            with pytest.raises(IdempotencyInProgress):
                self.remembered.claim(claim)
        else:
            assert self.remembered.claim(claim) == outcome

    @rule(data=st.data(), outcome=st.none() | outcomes)
    def end(self, data: st.DataObject, outcome: Outcome | None) -> None:
        """End a claim that runs, with or without an outcome."""
        if not self.running:
            return
        key = data.draw(st.sampled_from(sorted(self.running)))
        claim = self.running.pop(key)
        if outcome is None:
            done(self.remembered.store.release(claim))
        else:
            done(self.remembered.store.settle(claim, outcome))
            self.ended[key] = (claim, outcome, self.remembered.clock.now + DAY)

    @rule(seconds=st.sampled_from([1, 3600, DAY / 2, DAY]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.remembered.clock.now += seconds
        now = self.remembered.clock.now
        self.ended = {key: kept for key, kept in self.ended.items() if kept[2] > now}


Creates.TestCase.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, derandomize=True, database=None
)
TestCreates = Creates.TestCase
