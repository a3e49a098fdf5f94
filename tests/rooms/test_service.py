"""Creating, stopping and deleting: the owner rules, and refused writes that happened."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from gateway.rooms import (
    AnchorNotRegistered,
    AnchorRoom,
    Caller,
    GatewayError,
    MissingScope,
    NewRoom,
    NotRoomAnchor,
    OutcomeUnknown,
    RoomNotFound,
    RoomNotLive,
    RoomService,
    Scopes,
    UpstreamError,
    UpstreamTimeout,
    ViewerRoom,
)
from tests.fakes.rooms import (
    ADMIN,
    ALICE,
    BOB,
    BOB_SCOPED,
    CREATED,
    ENDED,
    LIVING,
    NOW,
    SCOPES,
    RoomCache,
    Upstream,
    room_of,
    service,
)

pytestmark = pytest.mark.anyio

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
@pytest.mark.parametrize("live_status", [CREATED, LIVING, ENDED])
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

REREAD: list[tuple[Act, GatewayError, AnchorRoom | GatewayError, bool]] = [
    (stop, UpstreamError("odd"), room_of(live_status=ENDED), True),
    (stop, RoomNotLive(), room_of(live_status=ENDED), True),
    (stop, UpstreamError("odd"), room_of(live_status=LIVING), False),
    (stop, RoomNotLive(), room_of(live_status=CREATED), False),
    (stop, RoomNotLive(), room_of(live_status=LIVING), False),
    (stop, UpstreamError("odd"), GONE, False),
    (stop, RoomNotLive(), UpstreamTimeout("late"), False),
    (delete, UpstreamError("odd"), GONE, True),
    (delete, UpstreamError("odd"), room_of(live_status=LIVING), False),
    (delete, UpstreamError("odd"), room_of(live_status=ENDED), False),
    (delete, UpstreamError("odd"), UpstreamTimeout("late"), False),
    (delete, UpstreamError("odd"), UpstreamError("another"), False),
]


@pytest.mark.parametrize(("act", "error", "second", "done"), REREAD)
async def test_a_refused_write_is_looked_after(
    act: Act, error: GatewayError, second: AnchorRoom | GatewayError, *, done: bool
) -> None:
    """A refused write succeeds if a second read shows its effect; else its error is raised."""
    upstream = Upstream(room_of(live_status=CREATED), second, error=error)
    if done:
        await act(service(upstream), ALICE)
    else:
        with pytest.raises(type(error)) as caught:
            await act(service(upstream), ALICE)
        assert caught.value is error
    assert upstream.calls == ["read 1", f"{act.__name__} 1", "read 1"]


@ACTS
@pytest.mark.parametrize("error", [OutcomeUnknown("late"), RoomNotFound()])
async def test_other_errors_are_told_without_a_second_read(act: Act, error: GatewayError) -> None:
    """An unknown outcome and a missing room are raised without a second read."""
    upstream = Upstream(room_of(), error=error)
    with pytest.raises(GatewayError) as caught:
        await act(service(upstream), ALICE)
    assert caught.value is error
    assert upstream.calls == ["read 1", f"{act.__name__} 1"]


@pytest.mark.parametrize("error", [None, UpstreamError("odd"), OutcomeUnknown("late")])
async def test_a_stop_invalidates_before_and_after(error: GatewayError | None) -> None:
    """Every write invalidates before and after, so that no overlapping read is kept."""
    calls: list[str] = []
    upstream = Upstream(room_of(), room_of(live_status=ENDED), error=error, log=calls)
    with suppress(OutcomeUnknown):
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
    assert calls == ["read 1", "invalidate 1", "delete 1", "invalidate 1"]
