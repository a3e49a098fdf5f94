"""Getting rooms, one and many: what memory may answer, and whom."""

import pytest

from gateway.rooms import (
    AnchorRoom,
    CachedRoom,
    Caller,
    GatewayError,
    RoomNotFound,
    Source,
    UpstreamError,
    UpstreamTimeout,
)
from tests.rooms.fakes import ADMIN, ALICE, BOB, RoomCache, Upstream, room_of, service

pytestmark = pytest.mark.anyio

ROOM = room_of("alice")
FAILURES = [UpstreamTimeout("late"), UpstreamError("cut")]


async def got(memory: RoomCache, caller: Caller) -> CachedRoom | AnchorRoom:
    """Return room 1 as this caller gets it."""
    return await service(Upstream(), memory).get(caller, "1")


@pytest.mark.parametrize("caller", [BOB, ADMIN])
async def test_viewers_are_answered_from_memory(caller: Caller) -> None:
    """What is remembered is not fetched."""
    memory = RoomCache(remembered=[ROOM])
    room = await got(memory, caller)
    assert isinstance(room, CachedRoom)
    assert (room.source, memory.calls) == (Source.HIT, [])


@pytest.mark.parametrize("remembered", [[ROOM], []])
async def test_the_anchor_gets_it_fresh(remembered: list[AnchorRoom]) -> None:
    """The memory holds no `push_url`, so the anchor's read is always fetched."""
    memory = RoomCache(ROOM, remembered=remembered)
    assert await got(memory, ALICE) is ROOM
    assert memory.calls == ["fetch 1"]


@pytest.mark.parametrize("caller", [BOB, ADMIN])
async def test_viewers_get_what_was_fetched_as_viewers(caller: Caller) -> None:
    """A fetched room is given to others in viewer shape."""
    room = await got(RoomCache(ROOM), caller)
    assert isinstance(room, CachedRoom)
    assert room.source is Source.MISS


async def test_a_room_that_changed_hands_is_judged_by_what_was_fetched() -> None:
    """Whose room it is, the room itself says, not an older memory of it."""
    memory = RoomCache(room_of("bob"), remembered=[ROOM])
    assert isinstance(await got(memory, ALICE), CachedRoom)


@pytest.mark.parametrize("error", FAILURES)
async def test_viewers_get_the_last_resort(error: GatewayError) -> None:
    """Where the upstream fails, what is remembered for that is served, to viewers only."""
    memory = RoomCache(("1", error), last=[ROOM])
    room = await got(memory, BOB)
    assert isinstance(room, CachedRoom)
    assert room.source is Source.STALE
    with pytest.raises(GatewayError) as caught:
        await got(memory, ALICE)
    assert caught.value is error


@pytest.mark.parametrize("error", [*FAILURES, RoomNotFound()])
async def test_without_a_last_resort_the_error_is_told(error: GatewayError) -> None:
    """Nothing remembered, nothing served."""
    with pytest.raises(GatewayError) as caught:
        await got(RoomCache(("1", error)), BOB)
    assert caught.value is error


async def test_an_unknown_room_has_no_last_resort() -> None:
    """A room that the upstream knows no more is gone, whatever is remembered of it."""
    with pytest.raises(RoomNotFound):
        await got(RoomCache(("1", RoomNotFound()), last=[ROOM]), BOB)


async def test_a_batch_sorts_its_rooms() -> None:
    """Found, missing and failed keep the order asked for; one never fails the rest."""
    rooms = {name: room_of("alice", live_id=name) for name in ("hit", "miss", "stale")}
    memory = RoomCache(
        rooms["miss"],
        ("gone", RoomNotFound()),
        ("stale", UpstreamError("cut")),
        ("late", UpstreamTimeout("late")),
        ("gone-2", RoomNotFound()),
        remembered=[rooms["hit"]],
        last=[rooms["stale"]],
    )
    asked = ["late", "miss", "gone", "hit", "stale", "gone-2"]
    batch = await service(Upstream(), memory).get_batch(asked)
    assert [each.room.body for each in batch.found] == [b"miss", b"hit", b"stale"]
    assert (batch.missing, batch.failed) == (["gone", "gone-2"], ["late"])
