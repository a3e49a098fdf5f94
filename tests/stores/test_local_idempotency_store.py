"""LocalIdempotencyStore beyond its port's contract: bounds and secrets."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

import pytest
from msgspec import structs

from gateway.rooms import (
    Created,
    Failed,
    IdempotencyClaim,
    IdempotencyInProgress,
    NewRoom,
    Outcome,
)
from gateway.secret import Secret
from gateway.stores import LocalIdempotencyStore
from tests.fakes.clock import Clock
from tests.fakes.rooms import ALICE, NOW, PUSH_URL, Upstream, creator_of, room_of
from tests.leaks.reachable import texts_in

T = TypeVar("T")

DAY = 86_400
ROOM = Created(room_of().for_viewers())
FAILED = Failed("upstream_error")
CLAIM = IdempotencyClaim("alice", "key", "print")


def done(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`; it never suspends, so it needs no event loop."""
    try:
        work.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    raise AssertionError("it waits for something")


class Remembered:
    """A store, and the time it lives in."""

    def __init__(self, size: int = 1 << 20) -> None:
        self.clock = Clock()
        self.store = LocalIdempotencyStore(self.clock, size=size)

    def begin(self, claim: IdempotencyClaim = CLAIM) -> Outcome | None:
        """Use a key."""
        return done(self.store.begin(claim))

    def settle(self, outcome: Outcome = ROOM, claim: IdempotencyClaim = CLAIM) -> None:
        """Begin a claim and settle it."""
        assert self.begin(claim) is None
        done(self.store.settle(claim, outcome))


def test_bound() -> None:
    """The bytes in memory stay below the bound, and the least recently used outcome goes first."""
    remembered = Remembered(size=100_000)
    first = structs.replace(CLAIM, key="first")
    remembered.settle(claim=first)
    for number in range(1000):
        assert remembered.begin(first) == ROOM
        remembered.settle(claim=structs.replace(CLAIM, key=str(number)))
    sizes = [len(text) for text in texts_in(remembered.store) if "live_id" in text]
    assert 40 < len(sizes) < 100
    assert sum(sizes) + 1000 * len(sizes) <= 100_000
    assert remembered.begin(structs.replace(CLAIM, key="0")) is None


def test_an_outcome_larger_than_the_bound_is_kept_alone() -> None:
    """A room of any size is kept rather than created twice, until the next outcome replaces it."""
    remembered = Remembered(size=10_000)
    large = Created(structs.replace(ROOM.room, title="t" * 50_000))
    remembered.settle(FAILED, structs.replace(CLAIM, key="before"))
    remembered.settle(large)
    assert remembered.begin() == large
    remembered.settle(FAILED, structs.replace(CLAIM, key="after"))
    assert remembered.begin() is None


def test_a_running_claim_is_never_evicted() -> None:
    """Neither other claims nor time end a claim."""
    remembered = Remembered(size=10_000)
    assert remembered.begin() is None
    for number in range(100):
        remembered.settle(claim=structs.replace(CLAIM, key=str(number)))
    remembered.clock.now += 2 * DAY
    with pytest.raises(IdempotencyInProgress):
        remembered.begin()


def test_nothing_is_left_of_a_claim_that_has_ended() -> None:
    """Released claims leave nothing in memory, nor do expired outcomes after the next one."""
    remembered = Remembered()
    for number in range(100):
        claim = structs.replace(CLAIM, user_id=f"released{number}")
        remembered.begin(claim)
        done(remembered.store.release(claim))
        remembered.settle(claim=structs.replace(CLAIM, user_id=f"expired{number}"))
    remembered.clock.now += DAY
    remembered.settle(claim=structs.replace(CLAIM, user_id="last"))
    users = {text for text in texts_in(remembered.store) if text.startswith(("rele", "exp", "las"))}
    assert users == {"last"}


def test_no_push_url_is_reachable() -> None:
    """No object that a creator and its store refer to holds the secret of a created room."""
    remembered = Remembered()
    creator = creator_of(Upstream(room_of()), remembered.store)
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
