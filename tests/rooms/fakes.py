"""Rooms, callers, and an upstream and a memory that do as told and note what was asked of them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.rooms import (
    Anchor,
    AnchorRoom,
    CachedRoom,
    Caller,
    Creator,
    EncodedRoom,
    FreshRoom,
    IdempotencyClaim,
    NewRoom,
    Outcome,
    RoomService,
    Scopes,
    Source,
)
from gateway.secret import Secret

PUSH_URL = "rtmp://push.example.test/live/1?token=canary"
SCOPES = Scopes(admin="rooms:admin")

ALICE = Caller("alice")
BOB = Caller("bob")
BOB_SCOPED = Caller("bob", frozenset({"rooms", "admin", "rooms:admin2", "ROOMS:ADMIN"}))
ADMIN = Caller("root", frozenset({"rooms:admin"}))

CREATED, LIVING, ENDED = 0, 1, 2
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def room_of(anchor_id: str = "alice", live_status: int = LIVING, live_id: str = "1") -> AnchorRoom:
    """Return a room of this anchor in this state."""
    return AnchorRoom(
        live_id=live_id,
        title="Friday",
        notice="",
        cover_url="",
        extends={},
        anchor_info=Anchor(anchor_id, 1, "Nick", "", {}),
        anchor_status=1,
        pk_id="",
        online_count=0,
        start_time=None,
        end_time=None,
        chat_id=1,
        push_url=Secret(PUSH_URL),
        hls_url="",
        rtmp_url="",
        flv_url="",
        pv=0,
        uv=0,
        live_status=live_status,
    )


class Upstream:
    """Reads end as `reads` say in turn, a write ends in `error` if there is one."""

    def __init__(
        self,
        *reads: AnchorRoom | Exception,
        error: Exception | None = None,
        log: list[str] | None = None,
    ) -> None:
        self._reads = list(reads)
        self._error = error
        self.calls: list[str] = [] if log is None else log

    async def create(self, room: NewRoom) -> AnchorRoom:
        """Create a room of the anchor asked for."""
        self._write("create")
        return room_of(room.anchor_id, CREATED)

    async def read(self, live_id: str) -> AnchorRoom:
        """Read a room."""
        self.calls.append(f"read {live_id}")
        outcome = self._reads.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def stop(self, live_id: str) -> None:
        """Stop a room."""
        self._write(f"stop {live_id}")

    async def delete(self, live_id: str) -> None:
        """Delete a room."""
        self._write(f"delete {live_id}")

    def _write(self, call: str) -> None:
        self.calls.append(call)
        if self._error is not None:
            raise self._error


class IdempotencyStore:
    """Remembers outcomes by key alone, and notes what was asked of it."""

    def __init__(self) -> None:
        self.known: dict[str, Outcome] = {}
        self.calls: list[str] = []

    async def claim(self, claim: IdempotencyClaim) -> Outcome | None:
        """Return what is remembered."""
        self.calls.append("claim")
        return self.known.get(claim.key)

    async def settle(self, claim: IdempotencyClaim, outcome: Outcome) -> None:
        """Remember it."""
        self.calls.append("settle")
        self.known[claim.key] = outcome

    async def release(self, _ticket: IdempotencyClaim) -> None:
        """Note it."""
        self.calls.append("release")


def cached_of(room: AnchorRoom, source: Source = Source.HIT) -> CachedRoom:
    """Return a room as the memory gives it."""
    encoded = EncodedRoom(room.anchor_info.user_id, room.live_id.encode(), b'"etag"')
    return CachedRoom(encoded, source, 1)


class RoomCache:
    """Holds `remembered`, `last` for bad times; fetches end as `fetches` say, by id."""

    def __init__(
        self,
        *fetches: AnchorRoom | tuple[str, Exception],
        remembered: Sequence[AnchorRoom] = (),
        last: Sequence[AnchorRoom] = (),
        log: list[str] | None = None,
    ) -> None:
        self._fetches = {
            each[0] if isinstance(each, tuple) else each.live_id: each for each in fetches
        }
        self._remembered = {room.live_id: cached_of(room) for room in remembered}
        self._last = {room.live_id: cached_of(room, Source.STALE) for room in last}
        self.calls: list[str] = [] if log is None else log

    def peek(self, live_id: str, reader: str | None = None) -> CachedRoom | None:
        """Return what is remembered, if `reader` is not the anchor."""
        return _for(reader, self._remembered.get(live_id))

    async def fetch(self, live_id: str) -> FreshRoom:
        """Return the room, or raise what there is instead."""
        self.calls.append(f"fetch {live_id}")
        outcome = self._fetches[live_id]
        if isinstance(outcome, tuple):
            raise outcome[1]
        return FreshRoom(outcome, cached_of(outcome, Source.MISS))

    def stale_if_error(self, live_id: str, reader: str | None = None) -> CachedRoom | None:
        """Return what is remembered for bad times, if `reader` is not the anchor."""
        return _for(reader, self._last.get(live_id))

    def evict(self, live_id: str) -> None:
        """Note it."""
        self.calls.append(f"evict {live_id}")

    def mark_missing(self, live_id: str) -> None:
        """Note it."""
        self.calls.append(f"mark_missing {live_id}")


def _for(reader: str | None, seen: CachedRoom | None) -> CachedRoom | None:
    return None if seen is None or seen.room.anchor_id == reader else seen


def service(
    upstream: Upstream, memory: RoomCache | None = None, scopes: Scopes = SCOPES
) -> RoomService:
    """Return a service over these."""
    creator = Creator(upstream, IdempotencyStore())
    return RoomService(upstream, memory or RoomCache(), creator, scopes, patience=5)
