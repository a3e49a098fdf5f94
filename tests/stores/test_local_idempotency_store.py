"""LocalIdempotencyStore beyond its port's contract: bounds and secrets."""

import asyncio
import gc
import tracemalloc
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
from gateway.stores.local_idempotency_store import RECORDS
from tests.fakes.clock import Clock
from tests.fakes.rooms import ALICE, NOW, PUSH_URL, Upstream, creator_of, room_of
from tests.leaks.reachable import texts_in

T = TypeVar("T")

DAY = 86_400
ROOM = Created("1")
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

    def __init__(self, size: int = 1000) -> None:
        self.clock = Clock()
        self.evicted: list[None] = []
        self.store = LocalIdempotencyStore(self.clock, lambda: self.evicted.append(None), size=size)

    def begin(self, claim: IdempotencyClaim = CLAIM) -> Outcome | None:
        """Use a key."""
        return done(self.store.begin(claim))

    def settle(self, outcome: Outcome = ROOM, claim: IdempotencyClaim = CLAIM) -> None:
        """Begin a claim and settle it."""
        assert self.begin(claim) is None
        done(self.store.settle(claim, outcome))


def test_bound() -> None:
    """Beyond the bound a user's oldest outcome goes, and is counted."""
    remembered = Remembered(size=10)
    claims = [structs.replace(CLAIM, key=str(number)) for number in range(15)]
    for claim in claims:
        remembered.settle(claim=claim)
    assert len(remembered.evicted) == 5
    assert [remembered.begin(claim) for claim in claims] == [None] * 5 + [ROOM] * 10


def test_a_record_is_small() -> None:
    """All records together take 64 MiB at most, with the longest of everything."""
    tracemalloc.start()
    try:
        remembered = Remembered(size=RECORDS)
        before, _ = tracemalloc.get_traced_memory()
        for number in range(2000):
            claim = IdempotencyClaim("密" * 120 + str(number), f"{number:0128}", f"{number:064x}")
            remembered.settle(Created(f"{number:064}"), claim)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert RECORDS >= 60_000
    assert (after - before) / 2000 * RECORDS < 64 << 20


def test_a_running_claim_is_never_evicted() -> None:
    """Neither other claims nor time end a claim."""
    remembered = Remembered(size=10)
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
        claim = structs.replace(CLAIM, user_id=f"expired{number}")
        remembered.settle(Created(f"expired{number}"), claim)
    remembered.clock.now += DAY
    few = len(texts_in(Remembered().store)) + 10
    assert len(texts_in(remembered.store)) > 100  # positive control
    remembered.settle(Created("last"))
    texts = texts_in(remembered.store)
    assert "last" in texts
    assert len(texts) < few


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
    assert "1" in texts
    assert not any("push" in text for text in texts)
    remembered.store.leak = shown[:1]  # type: ignore[attr-defined]  # positive control
    assert any(PUSH_URL in text for text in texts_in(creator, Upstream))
