"""The results of looking up a room: viewer shapes, encoded once, and the source of each.

Viewers are answered with these types and caches keep them. None but `FreshRoom`, for the anchor's
own read, can reach a `push_url`.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from .room import AnchorRoom


class LookupResult(StrEnum):
    """The outcome of one lookup, in metrics, traces, access logs and `Cache-Status`."""

    HIT = "hit"
    """Fresh in the cache."""

    STALE = "stale"
    """Expired in the cache, and refreshed in the background."""

    MISSING = "missing"
    """Known in the cache not to exist."""

    MISS = "miss"
    """Read upstream, also if the read failed."""

    COALESCED = "coalesced"
    """Shared a read with another lookup."""

    STALE_IF_ERROR = "stale_if_error"
    """Expired in the cache, and served because the upstream failed."""

    BYPASS = "bypass"
    """Read upstream for the room's own anchor."""


class EncodedRoom(Struct, frozen=True, gc=False):
    """A room in viewer shape as JSON, with its strong ETag (quoted) and its anchor's id."""

    anchor_id: str
    body: bytes
    etag: bytes


class CachedRoom(Struct, frozen=True, gc=False):
    """A room in viewer shape; `max_age` is the whole seconds that it stays fresh."""

    room: EncodedRoom
    result: LookupResult
    max_age: int


class FreshRoom(Struct, frozen=True):
    """A room just read upstream, in both shapes."""

    room: AnchorRoom
    cached: CachedRoom


class Batch(Struct, frozen=True):
    """Several rooms in viewer shape in request order, and the ids without a room."""

    found: Sequence[CachedRoom]
    missing: Sequence[str]
    failed: Sequence[str]
