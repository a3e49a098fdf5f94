"""Getting rooms, one and many: the shape for each caller, and the order of a batch."""

import pytest

from gateway.rooms import (
    AnchorRoom,
    CachedRoom,
    Caller,
    GatewayError,
    LookupResult,
    RoomNotFound,
    UpstreamError,
    UpstreamTimeout,
)
from tests.fakes.rooms import ADMIN, ALICE, BOB, RoomCache, Upstream, room_of, service, title_of

ROOM = room_of("alice")


async def got(cache: RoomCache, caller: Caller) -> CachedRoom | AnchorRoom:
    """Return room 1 as this caller gets it."""
    return await service(Upstream(), cache).get(caller, "1")


@pytest.mark.parametrize("caller", [BOB, ADMIN])
async def test_viewers_are_answered_from_the_cache(caller: Caller) -> None:
    """Viewers get a cached room as it is, without a read."""
    cache = RoomCache(remembered=[ROOM])
    room = await got(cache, caller)
    assert isinstance(room, CachedRoom)
    assert (room.result, cache.calls) == (LookupResult.HIT, [])
    assert service(Upstream(), cache).peek(caller, "1") == room


@pytest.mark.parametrize("remembered", [[ROOM], []])
async def test_the_anchor_gets_a_fresh_room(remembered: list[AnchorRoom]) -> None:
    """The anchor gets the room with its `push_url`, which no cache has."""
    cache = RoomCache(ROOM, remembered=remembered)
    assert await got(cache, ALICE) is ROOM
    assert cache.calls == ["read 1"]
    assert service(Upstream(), cache).peek(ALICE, "1") is None


@pytest.mark.parametrize("caller", [BOB, ADMIN])
async def test_viewers_get_a_fresh_room_in_viewer_shape(caller: Caller) -> None:
    """Viewers get a room that was read upstream in viewer shape."""
    room = await got(RoomCache(ROOM), caller)
    assert isinstance(room, CachedRoom)
    assert room.result is LookupResult.MISS


async def test_a_room_that_changed_hands_is_judged_by_the_fresh_one() -> None:
    """The anchor in the fresh room decides, not the anchor in the cached one."""
    cache = RoomCache(room_of("bob"), remembered=[ROOM])
    assert isinstance(await got(cache, ALICE), CachedRoom)


@pytest.mark.parametrize("caller", [ALICE, BOB])
@pytest.mark.parametrize("error", [UpstreamTimeout("late"), UpstreamError("cut"), RoomNotFound()])
async def test_errors_are_raised_as_they_are(error: GatewayError, caller: Caller) -> None:
    """The cache's error reaches the caller unchanged."""
    with pytest.raises(GatewayError) as caught:
        await got(RoomCache(("1", error)), caller)
    assert caught.value is error


async def test_a_batch_sorts_its_rooms() -> None:
    """Found, missing and failed rooms keep the order of the request, and none fails the rest."""
    cache = RoomCache(
        room_of(live_id="miss", title="miss"),
        ("gone", RoomNotFound()),
        ("late", UpstreamTimeout("late")),
        ("gone-2", RoomNotFound()),
        remembered=[room_of(live_id="hit", title="hit")],
    )
    asked = ["late", "miss", "gone", "hit", "gone-2"]
    batch = await service(Upstream(), cache).get_batch(BOB, asked)
    assert [title_of(each) for each in batch.found] == ["miss", "hit"]
    assert (batch.missing, batch.failed) == (["gone", "gone-2"], ["late"])


async def test_a_batch_is_bounded_in_bytes() -> None:
    """Rooms beyond 2 MiB in all are failed, and smaller ones after them still fit."""
    rooms = [
        room_of(live_id=f"{number}-{size}", title="x" * size)
        for number, size in enumerate([900_000, 900_000, 900_000, 100, 1 << 21])
    ]
    asked = [room.live_id for room in rooms]
    batch = await service(Upstream(), RoomCache(*rooms)).get_batch(BOB, asked)
    assert [len(title_of(each)) for each in batch.found] == [900_000, 900_000, 100]
    assert (batch.missing, batch.failed) == ([], ["2-900000", f"4-{1 << 21}"])


async def test_a_batch_shows_its_own_anchor_the_viewer_shape() -> None:
    """A batch has cached rooms only, whoever asks for it."""
    batch = await service(Upstream(), RoomCache(ROOM)).get_batch(ALICE, ["1"])
    assert [type(each) for each in batch.found] == [CachedRoom]
