"""Creating, stopping and deleting: the owner rules, and refused writes that happened."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import pytest

from gateway.rooms import (
    AnchorNotRegistered,
    AnchorRoom,
    Caller,
    GatewayError,
    Lagging,
    MissingScope,
    NewRoom,
    NotRoomAnchor,
    OutcomeUnknown,
    RecentWrites,
    RoomNotFound,
    RoomNotLive,
    RoomService,
    Scopes,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
    ViewerRoom,
)
from tests.fakes.clock import Clock
from tests.fakes.rooms import (
    ADMIN,
    ALICE,
    BOB,
    BOB_SCOPED,
    CREATED,
    ENDED,
    NOW,
    SCOPES,
    RoomCache,
    Upstream,
    room_of,
    service,
)

Act = Callable[[RoomService, Caller], Awaitable[None]]


def stop(rooms: RoomService, caller: Caller) -> Awaitable[None]:
    """Stop room 1."""
    return rooms.stop(caller, "1")


def delete(rooms: RoomService, caller: Caller) -> Awaitable[None]:
    """Delete room 1."""
    return rooms.delete(caller, "1")


ACTS = pytest.mark.parametrize("act", [stop, delete])


@pytest.mark.parametrize(
    ("caller", "anchor_id", "shape"),
    [(ALICE, "alice", AnchorRoom), (ADMIN, "root", AnchorRoom), (ADMIN, "alice", ViewerRoom)],
)
async def test_create(caller: Caller, anchor_id: str, shape: type) -> None:
    """The room comes back in the caller's shape: one for another user has no `push_url`."""
    upstream = Upstream()
    new_room = NewRoom(anchor_id=anchor_id, title="t")
    creation = await service(upstream).create(caller, new_room, now=NOW)
    assert type(creation.room) is shape
    assert not creation.replayed
    assert upstream.calls == ["create"]


@pytest.mark.parametrize(
    ("caller", "anchor_id", "scopes"),
    [
        (ALICE, "bob", SCOPES),
        (BOB_SCOPED, "alice", SCOPES),
        (ALICE, "alice", Scopes(admin="rooms:admin", create="rooms:create")),
    ],
)
async def test_a_forbidden_create_never_reaches_the_upstream(
    caller: Caller, anchor_id: str, scopes: Scopes
) -> None:
    """A forbidden create is refused before any call."""
    upstream = Upstream()
    new_room = NewRoom(anchor_id=anchor_id, title="t")
    with pytest.raises(MissingScope):
        await service(upstream, scopes=scopes).create(caller, new_room, now=NOW, key="key")
    assert upstream.calls == []


@pytest.mark.parametrize("error", [AnchorNotRegistered(), UpstreamError("x"), OutcomeUnknown("x")])
async def test_a_create_is_tried_once(error: GatewayError) -> None:
    """A create is sent once, and its error is raised as it is."""
    upstream = Upstream(error=error)
    new_room = NewRoom(anchor_id="alice", title="t")
    with pytest.raises(GatewayError) as caught:
        await service(upstream).create(ALICE, new_room, now=NOW)
    assert caught.value is error
    assert upstream.calls == ["create"]


@ACTS
@pytest.mark.parametrize("caller", [ALICE, ADMIN])
async def test_the_anchor_and_admins_may(act: Act, caller: Caller) -> None:
    """The room is read, then the write is sent."""
    upstream = Upstream(room_of("alice"))
    await act(service(upstream), caller)
    assert upstream.calls == ["read 1", f"{act.__name__} 1"]


@ACTS
@pytest.mark.parametrize("live_status", [CREATED, 1, ENDED])
@pytest.mark.parametrize("caller", [BOB, BOB_SCOPED])
async def test_others_may_not(act: Act, caller: Caller, live_status: int) -> None:
    """Others are refused in every state of the room, without a write."""
    upstream = Upstream(room_of("alice", live_status))
    with pytest.raises(NotRoomAnchor):
        await act(service(upstream), caller)
    assert upstream.calls == ["read 1"]


@ACTS
@pytest.mark.parametrize("error", [RoomNotFound(), UpstreamTimeout("late"), UpstreamError("x")])
async def test_a_failed_first_read_is_told(act: Act, error: GatewayError) -> None:
    """Without the room the caller's right is unknown, so no write is sent."""
    upstream = Upstream(error)
    with pytest.raises(GatewayError) as caught:
        await act(service(upstream), ADMIN)
    assert caught.value is error
    assert upstream.calls == ["read 1"]


@pytest.mark.parametrize("caller", [ALICE, ADMIN])
async def test_a_stop_of_what_has_ended_is_not_sent(caller: Caller) -> None:
    """A stop of an ended room succeeds without a write."""
    upstream = Upstream(room_of("alice", ENDED))
    await stop(service(upstream), caller)
    assert upstream.calls == ["read 1"]


GONE = RoomNotFound()
DONE: dict[Act, AnchorRoom | Exception] = {stop: room_of(live_status=ENDED), delete: GONE}
DOUBTS = [OutcomeUnknown("cut"), UpstreamError("odd"), RoomNotLive()]


def acts_and(errors: Sequence[GatewayError]) -> pytest.MarkDecorator:
    """Return every act with every error; a delete has no RoomNotLive."""
    return pytest.mark.parametrize(
        ("act", "error"),
        [
            (act, error)
            for act in DONE
            for error in errors
            if act is stop or not isinstance(error, RoomNotLive)
        ],
    )


@acts_and(DOUBTS)
@pytest.mark.parametrize("before", [[], [room_of()], [UpstreamTimeout("late")]])
async def test_a_doubtful_write_that_is_seen_to_have_happened_is_done(
    act: Act, error: GatewayError, before: list[AnchorRoom | Exception]
) -> None:
    """A failed write succeeds once a read shows its effect, though the first read does not."""
    clock, reads = Clock(), [room_of(), *before, DONE[act]]
    upstream = Upstream(*reads, error=error)
    await act(service(upstream, clock=clock), ALICE)
    assert upstream.calls == ["read 1", f"{act.__name__} 1", *["read 1"] * (1 + len(before))]
    assert clock.now > 1000


@acts_and([OutcomeUnknown("cut")])
@pytest.mark.parametrize("seen", [room_of(), UpstreamTimeout("late"), UpstreamError("down")])
async def test_a_write_that_is_not_seen_is_unknown(
    act: Act, error: GatewayError, seen: AnchorRoom | GatewayError
) -> None:
    """The room is looked at until the deadline, and what cannot be seen stays unknown."""
    clock = Clock()
    upstream = Upstream(room_of(), seen, error=error)
    with pytest.raises(OutcomeUnknown) as caught:
        await act(service(upstream, clock=clock), ALICE)
    assert caught.value is error
    assert upstream.calls.count("read 1") > 5
    assert upstream.calls.count(f"{act.__name__} 1") == 1
    assert clock.now < 1005


async def test_an_unknown_stop_of_a_room_that_is_gone_stays_unknown() -> None:
    """A room that somebody has deleted meanwhile proves no stop, and no second look will."""
    error = OutcomeUnknown("cut")
    upstream = Upstream(room_of(), GONE, error=error)
    with pytest.raises(OutcomeUnknown):
        await stop(service(upstream), ALICE)
    assert upstream.calls == ["read 1", "stop 1", "read 1"]


@ACTS
async def test_a_refusal_is_told_soon(act: Act) -> None:
    """A refused write that shows no effect in two looks stays refused."""
    error = UpstreamError("refused")
    upstream = Upstream(room_of(), error=error)
    with pytest.raises(UpstreamError) as caught:
        await act(service(upstream), ALICE)
    assert caught.value is error
    assert upstream.calls == ["read 1", f"{act.__name__} 1", "read 1", "read 1"]


async def test_a_room_that_never_went_live_is_told_at_once() -> None:
    """A stop that was refused, of a room seen created, needs no further look."""
    upstream = Upstream(room_of(live_status=CREATED), error=RoomNotLive())
    with pytest.raises(RoomNotLive):
        await stop(service(upstream), ALICE)
    assert upstream.calls == ["read 1", "stop 1", "read 1"]


@ACTS
@pytest.mark.parametrize(
    "error",
    [RoomNotFound(), UpstreamError("none", sent=False), UpstreamUnavailable("open", retry_after=1)],
)
async def test_a_write_that_cannot_have_happened_is_not_looked_after(
    act: Act, error: GatewayError
) -> None:
    """A write that was not sent, or of a missing room, is raised without a second read."""
    upstream = Upstream(room_of(), error=error)
    with pytest.raises(GatewayError) as caught:
        await act(service(upstream), ALICE)
    assert caught.value is error
    assert upstream.calls == ["read 1", f"{act.__name__} 1"]


@pytest.mark.parametrize("error", [None, UpstreamError("odd"), OutcomeUnknown("late")])
async def test_a_stop_invalidates_before_and_after(error: GatewayError | None) -> None:
    """Every write invalidates before and after, so that no overlapping read is kept."""
    calls: list[str] = []
    upstream = Upstream(room_of(), room_of(), error=error, log=calls)
    with suppress(OutcomeUnknown, UpstreamError):
        await stop(service(upstream, RoomCache(log=calls)), ALICE)
    assert calls[:3] == ["read 1", "invalidate 1", "stop 1"]
    assert calls[-1] == "invalidate 1"
    assert calls.count("invalidate 1") == 2


async def test_a_deleted_room_is_marked_missing() -> None:
    """A deleted room is marked missing; after an unknown outcome it is only invalidated."""
    calls: list[str] = []
    await delete(service(Upstream(room_of(), log=calls), RoomCache(log=calls)), ALICE)
    assert calls == ["read 1", "invalidate 1", "delete 1", "invalidate 1", "mark_missing 1"]
    calls.clear()
    upstream = Upstream(room_of(), error=OutcomeUnknown("late"), log=calls)
    with pytest.raises(OutcomeUnknown):
        await delete(service(upstream, RoomCache(log=calls)), ALICE)
    assert set(calls[3:-1]) == {"read 1"}
    assert calls[-1] == "invalidate 1"


async def test_a_stop_of_what_has_ended_teaches_the_cache() -> None:
    """A stop that finds its work done invalidates, so that no viewer is shown a living room."""
    calls: list[str] = []
    upstream = Upstream(room_of(live_status=ENDED), log=calls)
    await stop(service(upstream, RoomCache(log=calls)), ALICE)
    assert calls == ["read 1", "invalidate 1", "invalidate 1"]


@ACTS
async def test_a_write_to_what_is_gone_teaches_the_cache(act: Act) -> None:
    """A room that the read or the write does not find is marked missing before it is told."""
    calls: list[str] = []
    with pytest.raises(RoomNotFound):
        await act(service(Upstream(GONE, log=calls), RoomCache(log=calls)), ALICE)
    assert calls == ["read 1", "mark_missing 1"]
    calls.clear()
    upstream = Upstream(room_of(), error=GONE, log=calls)
    with pytest.raises(RoomNotFound):
        await act(service(upstream, RoomCache(log=calls)), ALICE)
    assert calls[-1] == "mark_missing 1"


@ACTS
@pytest.mark.parametrize("error", [None, OutcomeUnknown("cut")])
async def test_what_is_done_is_remembered(act: Act, error: GatewayError | None) -> None:
    """A write that happened, told by the answer or seen later, is remembered as a recent one."""
    clock = Clock()
    recent = RecentWrites(5, clock=clock)
    upstream = Upstream(room_of(), DONE[act], error=error)
    await act(service(upstream, recent=recent, clock=clock), ALICE)
    with pytest.raises(Lagging if act is stop else RoomNotFound):
        await recent.judge("1", room_of())


@ACTS
async def test_what_is_unknown_is_not_remembered(act: Act) -> None:
    """A write of unknown outcome leaves no memory to believe in."""
    recent = RecentWrites(5, clock=Clock())
    with pytest.raises(OutcomeUnknown):
        await act(service(Upstream(room_of(), error=OutcomeUnknown("x")), recent=recent), ALICE)
    assert recent.count == 0


async def test_an_ended_room_that_was_stopped_again_is_remembered() -> None:
    """A stop that finds its work done is remembered: another replica may show a living room."""
    recent = RecentWrites(5, clock=Clock())
    await stop(service(Upstream(room_of(live_status=ENDED)), recent=recent), ALICE)
    with pytest.raises(Lagging):
        await recent.judge("1", room_of())
