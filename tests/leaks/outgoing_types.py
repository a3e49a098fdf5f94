"""Right and wrong ways to answer with a room, for mypy; nothing runs this.

mypy reports a wrong way that it would accept: its `type: ignore` would be unused.
"""

from gateway.edge.answers import batch, encode_room, found
from gateway.rooms import (
    AnchorRoom,
    Batch,
    CachedRoom,
    Caller,
    Created,
    Creation,
    EncodedRoom,
    LookupResult,
    RoomService,
    ViewerRoom,
)


async def right(room: AnchorRoom, rooms: RoomService, alice: Caller) -> None:
    """Answer with viewers' rooms; mypy accepts each line."""
    seen = CachedRoom(encode_room(room.for_viewers()), LookupResult.HIT, 1)
    found(seen, None)
    found(await rooms.get(alice, "1"), None)
    batch(Batch([seen], [], []), None)
    Created(room.live_id)
    Creation(room)
    room.push_url.reveal()


async def wrong(
    room: AnchorRoom, viewer: ViewerRoom, seen: CachedRoom, rooms: RoomService, bob: Caller
) -> None:
    """Put the anchor's room or its push URL where a viewer's belongs; mypy refuses each line."""
    encode_room(room)  # type: ignore[arg-type]  # on purpose, as all below
    CachedRoom(room, LookupResult.HIT, 1)  # type: ignore[arg-type]  # same
    EncodedRoom("alice", room.push_url, b"", ())  # type: ignore[arg-type]  # same
    EncodedRoom("alice", b"", b"", (), push_url=room.push_url)  # type: ignore[call-arg]  # same
    Batch([room], [], [])  # type: ignore[list-item]  # same
    Batch([], [room.push_url], [])  # type: ignore[list-item]  # same
    _ = (await rooms.get_batch(bob, ["1"])).found + [room]  # type: ignore[operator]  # noqa: RUF005  # same
    Created(room)  # type: ignore[arg-type]  # same
    str(viewer.push_url)  # type: ignore[attr-defined]  # same
    str(seen.push_url)  # type: ignore[attr-defined]  # same
    str(seen.room.push_url)  # type: ignore[attr-defined]  # same
    str((await rooms.get_batch(bob, ["1"])).found[0].room.push_url)  # type: ignore[attr-defined]  # same
    ViewerRoom(push_url=room.push_url)  # type: ignore[call-arg]  # same
    str(room.push_url + "")  # type: ignore[operator]  # same
    b"".join([room.push_url])  # type: ignore[list-item]  # same
    "".join([room.push_url])  # type: ignore[list-item]  # noqa: FLY002  # same
    room.push_url.encode()  # type: ignore[attr-defined]  # same
    viewer = room  # type: ignore[assignment]  # same
