"""What looking a room up gives: a room in viewer shape, encoded once, and where it came from.

Everything here but `FreshRoom`, which the service takes apart, is what viewers are answered with
and what caches keep: no type that can be reached from it has a `push_url`.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from .room import AnchorRoom


class EncodedRoom(Struct, frozen=True, gc=False):
    """A room in viewer shape as JSON, with its strong ETag (quoted) and whose room it is."""

    anchor_id: str
    body: bytes
    etag: bytes


class Source(StrEnum):
    """Where a room in viewer shape came from."""

    HIT = "hit"
    STALE = "stale"
    MISS = "miss"


class CachedRoom(Struct, frozen=True, gc=False):
    """A room as viewers see it; `max_age` is how many whole seconds it is still fresh."""

    room: EncodedRoom
    source: Source
    max_age: int


class FreshRoom(Struct, frozen=True):
    """A room just read upstream, in both shapes."""

    room: AnchorRoom
    cached: CachedRoom


class Batch(Struct, frozen=True):
    """Several rooms in viewer shape, in the order asked for, and the ids that gave none."""

    found: Sequence[CachedRoom]
    missing: Sequence[str]
    failed: Sequence[str]
