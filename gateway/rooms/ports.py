"""The ports: protocols for everything outside the domain, each with its contract.

An implementation raises only the errors named here. `tests/ports/` has one suite of contract tests
for each port of a store. A store may be shared by many processes. While a shared store is down,
each process keeps the contract alone, and no call waits long for the store.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from msgspec import Struct

from .caller import Caller
from .idempotency import IdempotencyClaim, OpenCreate, Outcome
from .live_page import LivePage
from .lookup import CachedRoom, CurrentRoom, FreshRoom
from .operator_refusals import RefusalKind, Refusals
from .room import AnchorRoom, NewRoom, ViewerRoom

Room = TypeVar("Room", AnchorRoom, ViewerRoom)


class Upstream(Protocol):
    """The vendor's live service.

    Every call may raise UpstreamError or UpstreamUnavailable, a read also UpstreamTimeout, a write
    also OutcomeUnknown.
    """

    async def create(
        self, room: NewRoom, request_id: str, on_sent: Callable[[], None] | None = None
    ) -> AnchorRoom:
        """Create a room, sent at most once and with this request id. Raises AnchorNotRegistered.

        Calls `on_sent` just before the request is sent; if that raises, nothing is sent.
        """

    async def read(
        self,
        live_id: str,
        on_sent: Callable[[], None] | None = None,
        *,
        for_write: bool = False,
    ) -> AnchorRoom:
        """Read a room; call `on_sent` just before the request is sent. Raises RoomNotFound.

        A read `for_write` is part of a write, for which the upstream may have more room.
        """

    async def stop(self, live_id: str) -> None:
        """End a room's broadcast. Raises RoomNotFound or RoomNotLive."""

    async def delete(self, live_id: str) -> None:
        """Delete a room. Raises RoomNotFound."""

    async def find_user(self, user_id: str) -> str | None:
        """Return the id of the user with exactly this id, None if there is none."""

    async def register(self, user_id: str, nick: str, avatar: str) -> None:
        """Register a user, or find them registered already.

        Raises AnchorNotRegistered if only another spelling of the id is there.
        """


class Broadcasts(Protocol):
    """The calls of the vendor's live service that are made in a user's name.

    Every call may raise UpstreamError, UpstreamUnavailable or UpstreamTimeout.
    """

    async def start(self, live_id: str, anchor_id: str) -> None:
        """Let a room go live; one that is living begins anew.

        Raises RoomNotFound, RoomEnded, NotRoomAnchor or OutcomeUnknown. A failure with `sent` False
        certainly did nothing.
        """

    async def heartbeat(self, live_id: str, anchor_id: str) -> int:
        """Keep a living room so, and return its `live_status`. Raises RoomNotFound, RoomNotLive."""

    async def living(self, page: int, size: int, on_sent: Callable[[], None]) -> LivePage:
        """Read a page of the living rooms; call `on_sent` just before the request is sent."""


class LivePages(Protocol):
    """A read-through cache of the pages of living rooms, as `RoomCache` is one of rooms."""

    async def get(self, page: int, size: int, user_id: str) -> CachedRoom:
        """Return a page, encoded as it is answered, from the cache or read upstream.

        Raises UpstreamFailure or Overloaded.
        """


class Anchors(Protocol):
    """The users that may be anchors, as the upstream knows them."""

    async def require(self, anchor_id: str, caller: Caller) -> None:
        """Make sure that the upstream knows `anchor_id` by exactly this id.

        Registers the caller themself if that is configured. Raises AnchorNotRegistered or
        UpstreamFailure, both with `sent` False: no create has been sent.
        """


class RoomMemory(Protocol):
    """The rooms in viewer shape that are in this process's memory."""

    def hit(self, live_id: str, reader: str | None) -> CachedRoom | None:
        """Return a fresh room of which the reader is not the anchor, None if there is none.

        Does no I/O, and leaves no trace.
        """

    def count_hit(self, live_id: str) -> None:
        """Report a `hit` that answers a lookup."""


class RoomCache(Protocol):
    """A read-through cache of rooms in viewer shape.

    It never holds a `push_url`, so the room's own anchor always gets a fresh one, unless asked for
    the `viewer_shape`. A read upstream takes a place of the user whose lookup began it, see
    `FairShare`; None is nobody's lookup. Each lookup is reported once, as a `LookupResult`.
    """

    def peek(
        self, live_id: str, user_id: str | None = None, *, viewer_shape: bool = False
    ) -> CachedRoom | None:
        """Return a room from this process's memory, None if only `get` can tell.

        Does no I/O. A stale room is returned and refreshed in the background, if the user has a
        place for that. None is not reported.
        Raises RoomNotFound for a room known to be missing.
        """

    async def find(
        self, live_id: str, user_id: str | None = None, *, viewer_shape: bool = False
    ) -> CachedRoom | None:
        """Return a room that another process has read, None if only `get` can tell.

        Call it after `peek`. It waits for nobody else's read, and takes no place. None is not
        reported. Raises RoomNotFound for a room known to be missing.
        """

    async def get(
        self, live_id: str, user_id: str | None = None, *, viewer_shape: bool = False
    ) -> CachedRoom | FreshRoom:
        """Return a room from the cache, or read it upstream.

        Concurrent lookups of a room share one read and its error. A lookup that is cancelled fails
        none of the others. If the upstream fails, or the user has no place, an expired room within
        its grace period is returned. Raises RoomNotFound, UpstreamFailure or Overloaded.
        """

    async def latest(self, live_id: str) -> CurrentRoom:
        """Return a room in viewer shape that is fresh, from the cache or read upstream.

        It is never a stale one, and takes nobody's place. Raises as `get` does.
        """

    async def invalidate(self, live_id: str) -> None:
        """Forget a room, and do not keep the result of a read that is in flight.

        This process has forgotten the room before the first suspension. Others follow soon.
        """

    async def mark_missing(self, live_id: str) -> None:
        """Invalidate a room and remember for a short time that it does not exist."""


class WriteMemory(Protocol):
    """The writes of the last seconds, for reads from a replica of the upstream that lags."""

    async def created(self, room: ViewerRoom) -> None:
        """Remember that `room` was created."""

    async def started(self, live_id: str) -> None:
        """Remember that a room is living."""

    async def stopped(self, live_id: str) -> None:
        """Remember that a room has ended; a repeat renews nothing."""

    async def deleted(self, live_id: str) -> None:
        """Remember that a room is gone."""

    async def judge(self, live_id: str, read: Room | None) -> Room:
        """Return the room that was just read, None for not found, if no write contradicts it.

        Raises RoomNotFound, or Lagging with a better answer.
        """


class IdempotencyStore(Protocol):
    """Outcomes of the creates with an idempotency key, for 24 hours and within bounds.

    A running claim is never evicted. If its process dies, a shared store settles it as
    `outcome_unknown`.
    """

    async def begin(self, claim: IdempotencyClaim) -> Outcome | None:
        """Return the outcome of the first use of the key; None if this is the first.

        After None the caller must `settle` or `release` the claim. Of concurrent calls one gets
        None. Raises IdempotencyKeyReused if the key stands for another create,
        IdempotencyInProgress while the first use runs.
        """

    async def settle(self, claim: IdempotencyClaim, outcome: Outcome) -> Outcome:
        """Record the outcome of a claim, or replace the recorded one; return the one that holds.

        An unknown outcome replaces none.
        """

    async def release(self, claim: IdempotencyClaim) -> None:
        """Drop a claim without an outcome: the next use of the key is the first."""


class OpenCreates(Protocol):
    """Creates with a key that are not known to have ended, by the request id they were sent with.

    Each is kept for an hour, within bounds: nobody knows when the vendor tells of its room.
    """

    def add(self, request_id: str, create: OpenCreate) -> None:
        """Remember a create that is about to be sent. Raises nothing."""

    def remove(self, request_id: str) -> None:
        """Forget a create that has ended. Raises nothing."""

    async def find(self, request_id: str) -> OpenCreate | None:
        """Return a create that this process, or another, has not seen the end of."""


class Quota(Struct, frozen=True, gc=False):
    """The state of one rate limit after a request; times in seconds.

    `reset` is the time until the limit is unused again. `retry_after` is 0 if the request may
    pass, else the time until this one may.
    """

    limit: int
    remaining: int
    reset: float
    retry_after: float


class Bucket(Struct, gc=False):
    """The use that a `key` has made of one rate limit, in one process; times by its clock.

    It is full again at `full_at`. Once its limiter has forgotten it, it is not `kept`: nothing may
    be spent from it. Other processes have yet to hear of the seconds `used` since `settled_at`.
    """

    key: str
    full_at: float
    settled_at: float
    used: float = 0.0
    kept: bool = True


class RateLimiter(Protocol):
    """One rate limit, counted for each key."""

    async def take(self, key: str, cost: int = 1) -> Quota:
        """Count a request for `key` that is worth `cost`, all of it or nothing. Raises nothing.

        A refused request is not counted. One worth more than the limit costs all of it.
        """

    async def look(self, key: str) -> Quota:
        """Return the quota of `key` and count nothing; `remaining` may pass now. Raises nothing."""


class PromptRateLimiter(RateLimiter, Protocol):
    """A rate limit that this process decides at once."""

    def bucket(self, key: str) -> Bucket:
        """Return the bucket of `key`, to spend from for as long as it is `kept`."""

    def spend(self, bucket: Bucket, cost: int = 1) -> Quota:
        """Do what `take` does for the bucket's key, without a coroutine and a look-up."""


class OperatorOrders(Protocol):
    """Orders of an operator. Every process follows them soon, and one that starts later too.

    Refusals are those of all gateways that share a store. While it is down, this one's processes
    follow at once, and others as soon as it is back.
    """

    def evict(self, live_id: str) -> None:
        """Have a room forgotten."""

    def refuse(self, kind: RefusalKind, name: str, until: float) -> bool | None:
        """Refuse a user, or a token by its `jti`, until a time in epoch seconds.

        Return whether a shared store has it, None without one. Raises InvalidRequest if too many
        are refused.
        """

    def allow(self, kind: RefusalKind, name: str) -> bool | None:
        """Refuse a user or token no longer; return whether a shared store has it."""

    def in_force(self) -> Refusals:
        """Return who is refused now."""
