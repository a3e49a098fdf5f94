"""The upstream port over a replica that lags: reads, stops, deletes and repeated creates."""

import pytest

from gateway.rooms import (
    AnchorRoom,
    Lagging,
    LagTolerantUpstream,
    NewRoom,
    OutcomeUnknown,
    Patience,
    RecentWrites,
    RoomNotFound,
    UpstreamError,
    UpstreamTimeout,
)
from tests.fakes.clock import Clock
from tests.fakes.rooms import (
    ALICE,
    CREATED,
    ENDED,
    NOW,
    IdempotencyStore,
    RoomCache,
    Upstream,
    creator_of,
    room_of,
    service,
)

NEW_ROOM = NewRoom(anchor_id="alice", title="Friday")
GONE = RoomNotFound()


class World:
    """An upstream with scripted reads, behind the tolerance, and the time both live in."""

    def __init__(
        self, *reads: AnchorRoom | Exception, error: Exception | None = None, lag: float = 5
    ) -> None:
        self.clock = Clock()
        self.upstream = Upstream(*reads, error=error)
        self.recent = RecentWrites(lag, clock=self.clock)
        patience = Patience(3, clock=self.clock, sleep=self.clock.sleep)
        self.tolerant = LagTolerantUpstream(self.upstream, self.recent, patience)

    @property
    def reads(self) -> int:
        """The number of reads that went upstream."""
        return self.upstream.calls.count("read 1")


async def test_a_created_room_is_waited_for() -> None:
    """A read after a create goes on until a replica shows the room with its `push_url`."""
    world = World(GONE, GONE, room_of(live_status=CREATED))
    await world.tolerant.create(NEW_ROOM, "req-1")
    assert await world.tolerant.read("1") == room_of(live_status=CREATED)
    assert world.reads == 3


async def test_the_wait_has_an_end() -> None:
    """A room that no read shows before the deadline is a timeout, never a missing room."""
    world = World(GONE)
    await world.tolerant.create(NEW_ROOM, "req-1")
    began = world.clock.now
    with pytest.raises(UpstreamTimeout):
        await world.tolerant.read("1")
    assert world.clock.now < began + 3
    assert world.reads > 4


async def test_after_the_lag_a_missing_room_is_missing() -> None:
    """A room that was created a while ago is not waited for."""
    world = World(GONE)
    await world.tolerant.create(NEW_ROOM, "req-1")
    world.clock.now += 5
    with pytest.raises(RoomNotFound):
        await world.tolerant.read("1")
    assert world.reads == 1


async def test_other_errors_end_the_wait() -> None:
    """A read that fails for another reason is told as that."""
    world = World(GONE, UpstreamError("down"))
    await world.tolerant.create(NEW_ROOM, "req-1")
    with pytest.raises(UpstreamError):
        await world.tolerant.read("1")


async def test_a_failed_create_is_not_remembered() -> None:
    """Nothing is stood by that has not happened."""
    world = World(GONE, error=UpstreamError("refused"))
    with pytest.raises(UpstreamError):
        await world.tolerant.create(NEW_ROOM, "req-1")
    assert world.recent.count == 0


async def test_a_stopped_room_needs_no_wait() -> None:
    """A read that shows a stopped room living has all but the state, `push_url` included."""
    world = World(room_of())
    await world.recent.stopped("1")
    assert await world.tolerant.read("1") == room_of(live_status=ENDED)
    assert world.reads == 1


async def test_a_room_created_and_stopped_is_waited_for() -> None:
    """Until a replica has the room at all, then it counts as ended."""
    world = World(GONE, room_of())
    await world.recent.created(room_of().for_viewers())
    await world.recent.stopped("1")
    assert await world.tolerant.read("1") == room_of(live_status=ENDED)


@pytest.mark.parametrize("operation", ["stop", "delete"])
async def test_a_created_room_is_stopped_and_deleted(operation: str) -> None:
    """Stop and delete wait until they can read the room, then send one write."""
    world = World(GONE, GONE, room_of())
    await world.tolerant.create(NEW_ROOM, "req-1")
    rooms = service(world.tolerant, recent=world.recent, clock=world.clock)
    await getattr(rooms, operation)(ALICE, "1")
    assert world.upstream.calls == ["create", *["read 1"] * 3, f"{operation} 1"]


@pytest.mark.parametrize("operation", ["stop", "delete"])
async def test_a_write_that_a_replica_does_not_know_the_room_for(operation: str) -> None:
    """The upstream reads before it writes: its "not found" is no news of a room just created."""
    world = World(room_of(), error=GONE)
    await world.recent.created(room_of().for_viewers())
    cache = RoomCache()
    rooms = service(world.tolerant, cache, recent=world.recent, clock=world.clock)
    with pytest.raises(Lagging):
        await getattr(rooms, operation)(ALICE, "1")
    assert "mark_missing 1" not in cache.calls
    world.clock.now += 5
    with pytest.raises(RoomNotFound):
        await getattr(rooms, operation)(ALICE, "1")


async def test_a_second_stop_and_a_second_delete() -> None:
    """A repeated stop or delete sends no second write, though reads show the old state."""
    world = World(room_of())
    rooms = service(world.tolerant, recent=world.recent, clock=world.clock)
    await rooms.stop(ALICE, "1")
    await rooms.stop(ALICE, "1")
    await rooms.delete(ALICE, "1")
    with pytest.raises(RoomNotFound):
        await rooms.delete(ALICE, "1")
    with pytest.raises(RoomNotFound):
        await rooms.stop(ALICE, "1")
    writes = [call for call in world.upstream.calls if call != "read 1"]
    assert writes == ["stop 1", "delete 1"]


async def test_repeated_stops_do_not_keep_up_the_memory_of_the_first() -> None:
    """Some builds say "done" to a stop that failed: a client that repeats it gets through."""
    world = World(room_of())
    rooms = service(world.tolerant, recent=world.recent, clock=world.clock)
    for _ in range(3):
        await rooms.stop(ALICE, "1")
        world.clock.now += 3
    assert world.upstream.calls.count("stop 1") == 2


async def test_not_found_is_no_proof_of_a_delete_just_after_a_create() -> None:
    """A read that may not show the create yet cannot show the delete either."""
    world = World(room_of(), GONE, error=OutcomeUnknown("cut"), lag=60)
    await world.recent.created(room_of().for_viewers())
    rooms = service(world.tolerant, recent=world.recent, clock=world.clock)
    with pytest.raises(OutcomeUnknown):
        await rooms.delete(ALICE, "1")


async def test_a_repeated_create_finds_its_room() -> None:
    """A replay within the lag waits for the room and has its `push_url`."""
    world = World(GONE, room_of())
    creator = creator_of(world.tolerant, IdempotencyStore())
    await creator.create(ALICE, NEW_ROOM, now=NOW, key="key")
    again = await creator.create(ALICE, NEW_ROOM, now=NOW, key="key")
    assert again.replayed
    assert again.room == room_of()
    assert world.upstream.calls == ["create", "read 1", "read 1"]
