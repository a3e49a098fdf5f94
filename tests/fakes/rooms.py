"""Rooms, callers, and fakes of the domain's ports that record their calls."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from gateway.rooms import (
    Anchor,
    AnchorRoom,
    CachedRoom,
    Caller,
    Creator,
    CurrentRoom,
    EncodedRoom,
    FairShare,
    FreshRoom,
    IdempotencyClaim,
    LivePage,
    LookupResult,
    NewRoom,
    OpenCreate,
    Outcome,
    Patience,
    RecentWrites,
    Report,
    RoomService,
    Scopes,
    ViewerRoom,
    ports,
    that_holds,
)
from gateway.secret import Secret
from tests.fakes.clock import Clock

PUSH_URL = "rtmp://push.example.test/live/1?token=canary"
SCOPES = Scopes(admin="rooms:admin")

ALICE = Caller("alice")
BOB = Caller("bob")
BOB_SCOPED = Caller("bob", frozenset({"rooms", "admin", "rooms:admin2", "ROOMS:ADMIN"}))
ADMIN = Caller("root", frozenset({"rooms:admin"}))

CREATED, LIVING, ENDED = 0, 1, 2
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def room_of(
    anchor_id: str = "alice", live_status: int = LIVING, live_id: str = "1", title: str = "Friday"
) -> AnchorRoom:
    """Return a room of this anchor in this state."""
    return AnchorRoom(
        live_id=live_id,
        title=title,
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
    """An upstream with scripted reads, in turn, and an `error` for writes, if any.

    The last read is repeated.
    """

    def __init__(
        self,
        *reads: AnchorRoom | Exception,
        error: Exception | None = None,
        log: list[str] | None = None,
    ) -> None:
        self._reads = list(reads)
        self._error = error
        self.calls: list[str] = [] if log is None else log
        self.created_by: list[str] = []

    async def create(
        self, room: NewRoom, request_id: str, on_sent: Callable[[], None] | None = None
    ) -> AnchorRoom:
        """Create a room of the anchor asked for."""
        if on_sent is not None:
            on_sent()
        self.created_by.append(request_id)
        self._write("create")
        return room_of(room.anchor_id, CREATED)

    async def read(
        self,
        live_id: str,
        on_sent: Callable[[], None] | None = None,
        *,
        for_write: bool = False,  # noqa: ARG002  # the port has it
    ) -> AnchorRoom:
        """Read a room."""
        if on_sent is not None:
            on_sent()
        self.calls.append(f"read {live_id}")
        outcome = self._reads.pop(0) if self._reads[1:] else self._reads[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def stop(self, live_id: str) -> None:
        """Stop a room."""
        self._write(f"stop {live_id}")

    async def delete(self, live_id: str) -> None:
        """Delete a room."""
        self._write(f"delete {live_id}")

    async def find_user(self, user_id: str) -> str | None:
        """Find every user."""
        return user_id

    async def register(self, user_id: str, nick: str, avatar: str) -> None:
        """Register a user."""
        self._write(f"register {user_id} {nick} {avatar}")

    def _write(self, call: str) -> None:
        self.calls.append(call)
        if self._error is not None:
            raise self._error


class HeldUpstream(Upstream):
    """An upstream whose reads wait for `sending`, count as sent, and wait for `answering`.

    They bring a room with `title`, or raise `error`, as set at the moment of sending.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []
        self.sending = asyncio.Event()
        self.answering = asyncio.Event()
        self.sending.set()
        self.answering.set()
        self.title = "first"
        self.error: Exception | None = None

    async def read(
        self,
        live_id: str,
        on_sent: Callable[[], None] | None = None,
        *,
        for_write: bool = False,  # noqa: ARG002  # the port has it
    ) -> AnchorRoom:
        """Read a room of alice's."""
        await self.sending.wait()
        if on_sent is not None:
            on_sent()
        self.reads.append(live_id)
        room = room_of(live_id=live_id, title=self.title)
        error = self.error
        await self.answering.wait()
        if error is not None:
            raise error
        return room


class Anchors:
    """Anchors that are all known, or an `error` for each; `required` has those asked for."""

    def __init__(self, error: Exception | None = None) -> None:
        self.required: list[tuple[str, str]] = []
        self.error = error

    async def require(self, anchor_id: str, caller: Caller) -> None:
        """Record who asks for whom."""
        self.required.append((anchor_id, caller.user_id))
        if self.error is not None:
            raise self.error


class IdempotencyStore:
    """A store without bounds that compares no fingerprints; `known` has outcomes by key."""

    def __init__(self) -> None:
        self.known: dict[str, Outcome] = {}
        self.calls: list[str] = []

    async def begin(self, claim: IdempotencyClaim) -> Outcome | None:
        """Return the outcome, if known."""
        self.calls.append("begin")
        return self.known.get(claim.key)

    async def settle(self, claim: IdempotencyClaim, outcome: Outcome) -> Outcome:
        """Record the outcome."""
        self.calls.append("settle")
        holds = self.known[claim.key] = that_holds(self.known.get(claim.key), outcome)
        return holds

    async def release(self, _claim: IdempotencyClaim) -> None:
        """Record the call."""
        self.calls.append("release")


def encode(room: ViewerRoom) -> EncodedRoom:
    """Return a room as the edge encodes it, but for its tag."""
    return EncodedRoom(room.anchor_info.user_id, msgspec.json.encode(room), b'"tag"', ())


def restore(anchor_id: str, body: bytes, etag: bytes) -> EncodedRoom:
    """Return such a room again, as a store has it."""
    return EncodedRoom(anchor_id, body, etag, ())


def cached_of(room: AnchorRoom, result: LookupResult = LookupResult.HIT) -> CachedRoom:
    """Return a room as a cache serves it."""
    return CachedRoom(encode(room.for_viewers()), result, 1)


def title_of(found: CachedRoom | FreshRoom) -> str:
    """Return the title of a room that a cache gave."""
    cached = found if isinstance(found, CachedRoom) else found.cached
    return str(msgspec.json.decode(cached.room.body)["title"])


class RoomCache:
    """A cache with `remembered` rooms for viewers; others are read as `reads` say, by id."""

    def __init__(
        self,
        *reads: AnchorRoom | tuple[str, Exception],
        remembered: Sequence[AnchorRoom] = (),
        log: list[str] | None = None,
    ) -> None:
        self._reads = {each[0] if isinstance(each, tuple) else each.live_id: each for each in reads}
        self._remembered = {room.live_id: cached_of(room) for room in remembered}
        self.calls: list[str] = [] if log is None else log

    def peek(
        self, live_id: str, user_id: str | None = None, *, viewer_shape: bool = False
    ) -> CachedRoom | None:
        """Return a remembered room, unless the user is its anchor and wants to see it as such."""
        seen = self._remembered.get(live_id)
        own = seen is not None and seen.room.anchor_id == user_id and not viewer_shape
        return None if own else seen

    async def find(
        self, _live_id: str, _user_id: str | None = None, *, viewer_shape: bool = False
    ) -> None:
        """Find nothing."""

    async def get(
        self, live_id: str, user_id: str | None = None, *, viewer_shape: bool = False
    ) -> CachedRoom | FreshRoom:
        """Return a remembered room, or what is read."""
        seen = self.peek(live_id, user_id, viewer_shape=viewer_shape)
        if seen is not None:
            return seen
        self.calls.append(f"read {live_id}")
        outcome = self._reads[live_id]
        if isinstance(outcome, tuple):
            raise outcome[1]
        return FreshRoom(outcome, cached_of(outcome, LookupResult.MISS))

    async def latest(self, live_id: str) -> CurrentRoom:
        """Return a remembered room, or what is read; it is fresh for two seconds."""
        found = await self.get(live_id, viewer_shape=True)
        return CurrentRoom((found if isinstance(found, CachedRoom) else found.cached).room, 2)

    async def invalidate(self, live_id: str) -> None:
        """Record the call."""
        self.calls.append(f"invalidate {live_id}")

    async def mark_missing(self, live_id: str) -> None:
        """Record the call."""
        self.calls.append(f"mark_missing {live_id}")


def share_for_all() -> FairShare:
    """Return shares large enough for every test that is not about them."""
    return FairShare(10_000, 60, lambda: None)


class OpenCreates:
    """Creates that are open, without bounds; `seen` has all that ever were."""

    def __init__(self) -> None:
        self.now: dict[str, OpenCreate] = {}
        self.seen: dict[str, OpenCreate] = {}

    def add(self, request_id: str, create: OpenCreate) -> None:
        """Remember a create."""
        self.now[request_id] = self.seen[request_id] = create

    def remove(self, request_id: str) -> None:
        """Forget a create."""
        self.now.pop(request_id, None)

    async def find(self, request_id: str) -> OpenCreate | None:
        """Return a create."""
        return self.now.get(request_id)


def creator_of(
    upstream: ports.Upstream,
    store: ports.IdempotencyStore,
    anchors: ports.Anchors | None = None,
    *,
    open_creates: ports.OpenCreates | None = None,
    skew: float = 0,
    share: FairShare | None = None,
    compare: Callable[[NewRoom, AnchorRoom], None] = lambda _asked, _made: None,
) -> Creator:
    """Return a creator for known anchors, whose request ids are `id-1` and so on."""
    numbers = itertools.count(1)
    return Creator(
        upstream,
        store,
        anchors or Anchors(),
        open_creates=open_creates or OpenCreates(),
        share=share or share_for_all(),
        skew=lambda: skew,
        compare=compare,
        new_id=lambda: f"id-{next(numbers)}",
    )


def service(
    upstream: ports.Upstream,
    cache: RoomCache | None = None,
    scopes: Scopes = SCOPES,
    *,
    recent: RecentWrites | None = None,
    clock: Clock | None = None,
    share: FairShare | None = None,
    report: Report = lambda _: None,
) -> RoomService:
    """Return a service over these, with 5 seconds for each operation."""
    clock = clock or Clock()
    return RoomService(
        upstream,
        cache or RoomCache(),
        creator_of(upstream, IdempotencyStore()),
        scopes,
        recent=RecentWrites(5, clock=clock) if recent is None else recent,
        patience=Patience(5, clock=clock, sleep=clock.sleep),
        share=share or share_for_all(),
        report=report,
    )


class Broadcasts:
    """Calls in a user's name; `error` befalls each start, heartbeats tell `states` in turn."""

    def __init__(
        self, *states: int | Exception, error: Exception | None = None, log: list[str] | None = None
    ) -> None:
        self._states = list(states)
        self.error = error
        self.calls: list[str] = [] if log is None else log
        self.page = LivePage([], 0, None)

    async def start(self, live_id: str, anchor_id: str) -> None:
        """Start a room."""
        self.calls.append(f"start {live_id} as {anchor_id}")
        if self.error is not None:
            raise self.error

    async def heartbeat(self, live_id: str, anchor_id: str) -> int:
        """Tell of a heartbeat; the last state is repeated."""
        self.calls.append(f"heartbeat {live_id} as {anchor_id}")
        state = self._states.pop(0) if self._states[1:] else self._states[0]
        if isinstance(state, Exception):
            raise state
        return state

    async def living(self, page: int, size: int, on_sent: Callable[[], None]) -> LivePage:
        """Return `page` whatever is asked for."""
        on_sent()
        self.calls.append(f"living {page}/{size}")
        return self.page
