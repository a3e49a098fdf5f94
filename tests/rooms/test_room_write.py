"""The record of each write."""

import asyncio
from contextlib import suppress

import pytest

from gateway.rooms import (
    Caller,
    ClientGone,
    GatewayError,
    MissingScope,
    NewRoom,
    NotRoomAnchor,
    OutcomeUnknown,
    RoomNotFound,
    RoomService,
    RoomWrite,
    UpstreamTimeout,
)
from tests.fakes.rooms import (
    ADMIN,
    ALICE,
    BOB,
    NOW,
    SCOPES,
    HeldUpstream,
    Upstream,
    room_of,
    service,
)
from tests.fakes.tasks import settle

NEW = NewRoom(anchor_id="alice", title="t")


async def written(
    upstream: Upstream, operation: str, caller: Caller = ALICE, key: str | None = None
) -> list[RoomWrite]:
    """Return the records of one write."""
    records: list[RoomWrite] = []
    rooms = service(upstream, report=records.append)
    with suppress(GatewayError, ClientGone, RuntimeError):
        await _write(rooms, operation, caller, key)
    return records


async def _write(rooms: RoomService, operation: str, caller: Caller, key: str | None) -> None:
    if operation == "create":
        await rooms.create(caller, NEW, now=NOW, key=key)
    else:
        await getattr(rooms, operation)(caller, "1")


@pytest.mark.parametrize("operation", ["stop", "delete"])
@pytest.mark.parametrize(
    ("caller", "read", "outcome", "as_admin"),
    [
        (ALICE, room_of(), "ok", False),
        (ADMIN, room_of(), "ok", True),
        (BOB, room_of(), NotRoomAnchor.code, True),
        (ALICE, RoomNotFound(), RoomNotFound.code, False),
        (ALICE, UpstreamTimeout("late"), UpstreamTimeout.code, False),
        (ALICE, RuntimeError("a bug"), "internal_error", False),
    ],
)
async def test_a_stop_or_delete_is_recorded_once(
    operation: str, caller: Caller, read: object, outcome: str, *, as_admin: bool
) -> None:
    """Who did what to which room, and what came of it, refusals included."""
    upstream = Upstream(read)  # type: ignore[arg-type]  # a room or an error
    assert await written(upstream, operation, caller) == [
        RoomWrite(operation, caller.user_id, "1", outcome, as_admin)
    ]


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_create_is_recorded_with_its_room(key: str | None) -> None:
    """The id of the new room is known at the end."""
    [record] = await written(Upstream(room_of()), "create", key=key)
    assert record == RoomWrite("create", "alice", "1", "ok", as_admin=False)


@pytest.mark.parametrize(
    ("caller", "error", "outcome"),
    [
        (ALICE, OutcomeUnknown("cut"), OutcomeUnknown.code),
        (ALICE, ClientGone(), "client_gone"),
        (BOB, None, MissingScope.code),
    ],
)
async def test_a_create_that_fails_is_recorded_without_a_room(
    caller: Caller, error: Exception | None, outcome: str
) -> None:
    """There is no room, but somebody asked for one."""
    [record] = await written(Upstream(room_of(), error=error), "create", caller)
    assert (record.live_id, record.outcome) == (None, outcome)


async def test_a_repeated_create_is_recorded_as_replayed() -> None:
    """Each request has its record, and only one made a room."""
    records: list[RoomWrite] = []
    rooms = service(Upstream(room_of()), scopes=SCOPES, report=records.append)
    for _ in range(2):
        await rooms.create(ALICE, NEW, now=NOW, key="k")
    assert [each.outcome for each in records] == ["ok", "replayed"]


async def test_a_write_that_is_cut_off_is_recorded() -> None:
    """The end of the process leaves a record too."""
    records: list[RoomWrite] = []
    upstream = HeldUpstream()
    upstream.answering.clear()
    rooms = service(upstream, report=records.append)
    stopping = asyncio.create_task(rooms.stop(ALICE, "1"))
    await settle()
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert [each.outcome for each in records] == ["cut_off"]
