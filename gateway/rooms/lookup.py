"""The results of looking up a room: viewer shapes, encoded once, and the source of each.

Viewers are answered with these types and caches keep them. None but `FreshRoom`, for the anchor's
own read, can reach a `push_url`.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from .room import AnchorRoom


class LookupResult(StrEnum):
    """The outcome of one lookup, in metrics, traces, access logs and `Cache-Status`.

    From the cache: HIT (fresh), STALE (being refreshed), MISSING (known not to exist),
    SHARED_HIT (read by another process), STALE_IF_ERROR (expired, and the upstream failed). Read
    upstream: MISS (also a failed read), COALESCED (shared the read of another lookup), BYPASS (for
    the room's own anchor).
    """

    HIT = "hit"
    STALE = "stale"
    MISSING = "missing"
    SHARED_HIT = "shared_hit"
    MISS = "miss"
    COALESCED = "coalesced"
    STALE_IF_ERROR = "stale_if_error"
    BYPASS = "bypass"


class EncodedRoom(Struct, frozen=True, gc=False):
    """A room in viewer shape as JSON, with its strong ETag (quoted) and its anchor's id.

    `headers` are those of its responses that follow from nothing else, made once with the room.
    A page of living rooms is kept and answered as one too; it has no anchor, so its id is empty.
    """

    anchor_id: str
    body: bytes
    etag: bytes
    headers: tuple[tuple[bytes, bytes], ...]


class CachedRoom(Struct, frozen=True, gc=False):
    """A room in viewer shape; `max_age` is the seconds that it stays fresh, rounded up, at least 1.

    A client that waits so long before it asks again does not spin.
    """

    room: EncodedRoom
    result: LookupResult
    max_age: int


class CurrentRoom(Struct, frozen=True, gc=False):
    """A room in viewer shape that stays fresh for so many seconds."""

    room: EncodedRoom
    fresh: float


class FreshRoom(Struct, frozen=True):
    """A room just read upstream, in both shapes."""

    room: AnchorRoom
    cached: CachedRoom


class Batch(Struct, frozen=True):
    """Several rooms in viewer shape in request order, and the ids without a room."""

    found: Sequence[CachedRoom]
    missing: Sequence[str]
    failed: Sequence[str]
