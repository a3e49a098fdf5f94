"""Heartbeats: the owner rule, the pace, and rooms that are not living."""

import pytest

from gateway.rooms import (
    HEARTBEAT_SECONDS,
    AnchorRoom,
    Beat,
    CachedRoom,
    Caller,
    GatewayError,
    Heartbeats,
    NotRoomAnchor,
    RoomEnded,
    RoomNotFound,
    RoomNotLive,
    UpstreamError,
)
from gateway.stores import LocalRateLimiter
from tests.fakes.clock import Clock
from tests.fakes.rooms import (
    ADMIN,
    ALICE,
    BOB,
    CREATED,
    ENDED,
    LIVING,
    Broadcasts,
    RoomCache,
    cached_of,
    room_of,
    share_for_all,
)

SENT = "heartbeat 1 as alice"


class World:
    """Heartbeats of a room that viewers see as `room`, to a vendor that tells `states`."""

    def __init__(
        self, *states: int | Exception, room: AnchorRoom | Exception | None = None
    ) -> None:
        self.log: list[str] = []
        self.clock = Clock()
        self.beats: list[Beat] = []
        self._room = room or room_of()
        self.heartbeats = Heartbeats(
            Broadcasts(*(states or (LIVING,)), log=self.log),
            self._view,
            RoomCache(log=self.log),
            pace=LocalRateLimiter(1, HEARTBEAT_SECONDS, self.clock),
            share=share_for_all(),
            report=self.beats.append,
        )

    async def _view(self, _caller: Caller, _live_id: str) -> CachedRoom:
        if isinstance(self._room, Exception):
            raise self._room
        return cached_of(self._room)


async def test_one_a_minute_is_told() -> None:
    """However often it comes, the vendor is told of a room's heartbeat once a minute."""
    world = World()
    for _ in range(10):
        await world.heartbeats.beat(ALICE, "1")
        world.clock.now += 5
    assert world.log == [SENT]
    world.clock.now += 10
    await world.heartbeats.beat(ALICE, "1")
    assert world.log == [SENT, SENT]
    assert (world.beats.count(Beat.TOLD), world.beats.count(Beat.SPARED)) == (2, 9)


async def test_each_room_has_its_own_pace() -> None:
    """The heartbeat of one room spares none of another."""
    world = World()
    await world.heartbeats.beat(ALICE, "1")
    await world.heartbeats.beat(ALICE, "2")
    assert world.log == [SENT, "heartbeat 2 as alice"]


@pytest.mark.parametrize("caller", [BOB, ADMIN, Caller("ALICE")])
async def test_nobody_else_may(caller: Caller) -> None:
    """A stranger's heartbeat is refused, tells nobody, and does not spare the anchor's own."""
    world = World()
    with pytest.raises(NotRoomAnchor):
        await world.heartbeats.beat(caller, "1")
    assert world.log == []
    await world.heartbeats.beat(ALICE, "1")
    assert world.log == [SENT]


@pytest.mark.parametrize(("state", "error"), [(ENDED, RoomEnded), (CREATED, RoomNotLive)])
async def test_the_vendor_knows_better(state: int, error: type[GatewayError]) -> None:
    """A room that the vendor has ended, or never began, is told as such and evicted."""
    world = World(state)
    with pytest.raises(error):
        await world.heartbeats.beat(ALICE, "1")
    assert world.log == [SENT, "invalidate 1"]


async def test_an_ended_room_needs_no_call() -> None:
    """A room that is known to have ended is told as such at once, each time."""
    world = World(room=room_of(live_status=ENDED))
    for _ in range(2):
        with pytest.raises(RoomEnded):
            await world.heartbeats.beat(ALICE, "1")
    assert world.log == []


async def test_a_missing_room() -> None:
    """A room that is not there is told as such."""
    world = World(room=RoomNotFound())
    with pytest.raises(RoomNotFound):
        await world.heartbeats.beat(ALICE, "1")


async def test_a_failure_counts_as_told() -> None:
    """A heartbeat that failed is not repeated within the minute: it may have arrived."""
    world = World(UpstreamError("x"), LIVING)
    with pytest.raises(UpstreamError):
        await world.heartbeats.beat(ALICE, "1")
    await world.heartbeats.beat(ALICE, "1")
    assert world.log == [SENT]
    world.clock.now += HEARTBEAT_SECONDS
    await world.heartbeats.beat(ALICE, "1")
    assert world.log == [SENT, SENT]
