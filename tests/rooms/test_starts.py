"""Going live: the owner rule, what is sent, and starts with a doubtful answer."""

import pytest

from gateway.rooms import (
    AnchorRoom,
    Caller,
    GatewayError,
    Lagging,
    NotRoomAnchor,
    OutcomeUnknown,
    Patience,
    RecentWrites,
    RoomChanges,
    RoomEnded,
    RoomNotFound,
    RoomWrite,
    Starts,
    UpstreamError,
    UpstreamUnavailable,
)
from tests.fakes.clock import Clock
from tests.fakes.rooms import (
    ADMIN,
    ALICE,
    BOB,
    BOB_SCOPED,
    CREATED,
    ENDED,
    LIVING,
    Broadcasts,
    RoomCache,
    Upstream,
    room_of,
    share_for_all,
)

NEW = room_of(live_status=CREATED)
SENT = "start 1 as alice"


class World:
    """Starts over scripted reads, with `log` of all calls and evictions in order."""

    def __init__(self, *reads: AnchorRoom | Exception, error: Exception | None = None) -> None:
        self.log: list[str] = []
        self.clock = Clock()
        self.reports: list[RoomWrite] = []
        self.recent = RecentWrites(5, clock=self.clock)
        upstream = Upstream(*reads, log=self.log)
        cache = RoomCache(log=self.log)
        self.starts = Starts(
            Broadcasts(error=error, log=self.log),
            upstream,
            RoomChanges(upstream, cache, share_for_all(), self.reports.append),
            self.recent,
            Patience(5, clock=self.clock, sleep=self.clock.sleep),
        )


async def test_the_anchor_goes_live() -> None:
    """The room is read, evicted, started in the anchor's name, and evicted again."""
    world = World(NEW)
    await world.starts.start(ALICE, "1")
    assert world.log == ["read 1", "invalidate 1", SENT, "invalidate 1"]
    assert world.reports == [RoomWrite("start", "alice", "1")]


async def test_a_started_room_is_living_whatever_a_replica_shows() -> None:
    """A read that shows the state before is corrected, as after a stop."""
    world = World(NEW)
    await world.starts.start(ALICE, "1")
    with pytest.raises(Lagging) as caught:
        await world.recent.judge("1", NEW)
    assert caught.value.room.live_status == LIVING


@pytest.mark.parametrize("caller", [BOB, BOB_SCOPED, ADMIN, Caller("ALICE")])
async def test_nobody_else_may(caller: Caller) -> None:
    """Neither a viewer nor an administrator starts a room, and nothing is sent."""
    world = World(NEW)
    with pytest.raises(NotRoomAnchor):
        await world.starts.start(caller, "1")
    assert world.log == ["read 1"]


async def test_a_living_room_is_left_alone() -> None:
    """A second start sends nothing, for the vendor would begin the room anew."""
    world = World(room_of(live_status=LIVING))
    await world.starts.start(ALICE, "1")
    assert SENT not in world.log


@pytest.mark.parametrize(
    ("room", "error"),
    [(room_of(live_status=ENDED), RoomEnded), (RoomNotFound(), RoomNotFound)],
)
async def test_rooms_that_cannot_begin(
    room: AnchorRoom | Exception, error: type[GatewayError]
) -> None:
    """An ended or missing room is told as such, and nothing is sent."""
    world = World(room)
    with pytest.raises(error):
        await world.starts.start(ALICE, "1")
    assert SENT not in world.log


@pytest.mark.parametrize("failure", [OutcomeUnknown("x"), UpstreamError("x")])
async def test_a_start_that_happened_in_spite_of_its_answer(failure: Exception) -> None:
    """The room is read again, and one that is living is proof."""
    world = World(NEW, room_of(live_status=LIVING), error=failure)
    await world.starts.start(ALICE, "1")
    assert world.log.count(SENT) == 1
    assert world.reports[0].outcome == "ok"


@pytest.mark.parametrize(
    ("later", "raised"),
    [
        (NEW, OutcomeUnknown),
        (UpstreamError("x"), OutcomeUnknown),
        (room_of(live_status=ENDED), RoomEnded),
        (RoomNotFound(), RoomNotFound),
    ],
)
async def test_a_start_of_unknown_outcome(
    later: AnchorRoom | Exception, raised: type[GatewayError]
) -> None:
    """Without a proof the client is told that nobody knows; an ended or missing room is one."""
    world = World(NEW, later, error=OutcomeUnknown("start live failed"))
    with pytest.raises(raised):
        await world.starts.start(ALICE, "1")
    assert world.log.count(SENT) == 1
    assert world.reports[0].outcome == raised.code


@pytest.mark.parametrize(
    "failure",
    [
        UpstreamError("refused token", sent=False),
        UpstreamUnavailable("busy", retry_after=1),
        NotRoomAnchor("1"),
        RoomEnded("1"),
    ],
)
async def test_a_start_that_certainly_did_not_happen(failure: Exception) -> None:
    """Its error is raised at once, and the room is not read again."""
    world = World(NEW, error=failure)
    with pytest.raises(type(failure)):
        await world.starts.start(ALICE, "1")
    assert world.log.count("read 1") == 1


@pytest.mark.parametrize(
    ("remember", "raised"), [(True, Lagging), (False, RoomNotFound)], ids=["created", "not"]
)
async def test_a_replica_that_lacks_the_room(raised: type[GatewayError], *, remember: bool) -> None:
    """The vendor's "not found" is no news of a room just created, and of any other it is."""
    world = World(NEW, error=RoomNotFound())
    if remember:
        await world.recent.created(NEW.for_viewers())
    with pytest.raises(raised):
        await world.starts.start(ALICE, "1")
    assert ("mark_missing 1" in world.log) is not remember
