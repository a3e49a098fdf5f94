"""The memory of recent writes, and the judgement of reads by it."""

import pytest

from gateway.rooms import AnchorRoom, Lagging, RecentWrites, RoomNotFound, ViewerRoom
from tests.fakes.clock import Clock
from tests.fakes.rooms import CREATED, ENDED, LIVING, PUSH_URL, room_of
from tests.leaks.reachable import texts_in

NEW = room_of(live_status=CREATED)
OLD = room_of(live_status=LIVING, title="old")
OVER = room_of(live_status=ENDED, title="over")


@pytest.fixture
def clock() -> Clock:
    """Return a clock."""
    return Clock()


@pytest.fixture
def recent(clock: Clock) -> RecentWrites:
    """Return an empty memory of five seconds."""
    return RecentWrites(5, clock=clock)


async def better(recent: RecentWrites, read: AnchorRoom | None) -> AnchorRoom | ViewerRoom:
    """Return the room that is better than what was read."""
    with pytest.raises(Lagging) as caught:
        await recent.judge("1", read)
    return caught.value.room


async def is_missing(recent: RecentWrites, read: AnchorRoom | None) -> bool:
    """Return true if room 1 counts as missing after this read."""
    with pytest.raises(RoomNotFound):
        await recent.judge("1", read)
    return True


async def test_a_read_is_believed_without_a_write(recent: RecentWrites) -> None:
    """A room that was not written to is as it was read."""
    await recent.stopped("2")
    await recent.deleted("3")
    assert await recent.judge("1", OLD) is OLD
    assert await is_missing(recent, None)


async def test_a_created_room_is_there(recent: RecentWrites) -> None:
    """A room just created is not missing, and a read that finds it is believed as it is."""
    await recent.created(NEW.for_viewers())
    assert await better(recent, None) == NEW.for_viewers()
    assert await recent.judge("1", OLD) is OLD
    assert await better(recent, None) == NEW.for_viewers()


async def test_a_stopped_room_has_ended(recent: RecentWrites) -> None:
    """A read that shows a stopped room living is right in all but that."""
    await recent.stopped("1")
    shown = await better(recent, OLD)
    assert isinstance(shown, AnchorRoom)
    assert (shown.live_status, shown.title) == (ENDED, "old")
    assert await recent.judge("1", OVER) is OVER
    assert await is_missing(recent, None)


async def test_a_started_room_is_living(recent: RecentWrites) -> None:
    """A read that shows a started room as new is right in all but that; one that ended is right."""
    await recent.created(NEW.for_viewers())
    await recent.started("1")
    assert (await better(recent, NEW)).live_status == LIVING
    assert (await better(recent, None)).live_status == LIVING
    assert await recent.judge("1", OLD) is OLD
    assert await recent.judge("1", OVER) is OVER
    await recent.stopped("1")
    assert (await better(recent, NEW)).live_status == ENDED


async def test_a_deleted_room_is_gone(recent: RecentWrites) -> None:
    """A deleted room is missing, whatever a read shows."""
    await recent.deleted("1")
    assert await is_missing(recent, OLD)
    assert await is_missing(recent, OVER)
    assert await is_missing(recent, None)


async def test_writes_add_up(recent: RecentWrites) -> None:
    """A room created, then stopped, is there and has ended; then deleted, it is gone."""
    await recent.created(NEW.for_viewers())
    await recent.stopped("1")
    shown = await better(recent, None)
    assert isinstance(shown, ViewerRoom)
    assert shown.live_status == ENDED
    await recent.deleted("1")
    assert await is_missing(recent, OLD)


async def test_a_write_is_stood_by_for_a_time(recent: RecentWrites, clock: Clock) -> None:
    """After the lag the upstream is believed again, and a later write counts from itself."""
    await recent.created(NEW.for_viewers())
    clock.now += 4.9
    assert await better(recent, None) == NEW.for_viewers()
    await recent.stopped("1")
    clock.now += 4.9
    assert (await better(recent, OLD)).live_status == ENDED
    clock.now += 0.1
    assert await recent.judge("1", OLD) is OLD
    assert await is_missing(recent, None)


async def test_without_lag_nothing_is_remembered(clock: Clock) -> None:
    """A lag of zero switches the memory off."""
    recent = RecentWrites(0, clock=clock)
    await recent.created(NEW.for_viewers())
    await recent.deleted("1")
    assert recent.count == 0
    assert await recent.judge("1", OLD) is OLD


async def test_the_memory_is_bounded(clock: Clock) -> None:
    """The oldest write makes room for a new one, and expired writes take no room at all."""
    recent = RecentWrites(5, clock=clock, size=3)
    for live_id in ("1", "2", "3", "4", "1", "4"):
        await recent.deleted(live_id)
    assert recent.count == 3
    assert await recent.judge("2", OLD) is OLD
    for live_id in ("1", "3", "4"):
        with pytest.raises(RoomNotFound):
            await recent.judge(live_id, OLD)
    clock.now += 5
    await recent.stopped("1")
    assert recent.count == 1


async def test_no_push_url_is_reachable(recent: RecentWrites) -> None:
    """The memory holds the viewer shape of rooms, and errors keep no other room alive in it."""
    await recent.created(NEW.for_viewers())
    await recent.stopped("2")
    with pytest.raises(Lagging):
        await recent.judge("2", OLD)
    texts = texts_in(recent)
    assert any("Friday" in text for text in texts)
    assert not any(PUSH_URL in text for text in texts)
