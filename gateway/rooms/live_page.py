"""A page of the living rooms."""

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from .room import Int64, ViewerRoom

MAX_PAGE_SIZE: Final = 50
"""Rooms on one page at most."""


class LivePage(Struct, frozen=True):
    """Living rooms in viewer shape; no step on the way to here keeps a `push_url`."""

    rooms: Annotated[
        Sequence[ViewerRoom],
        Meta(description="Never with `push_url`; `online_count` and `anchor_status` are real."),
    ]
    total: Annotated[Int64, Meta(description="Living rooms on all pages.")]
    next_page: Annotated[int | None, Meta(description="The number of the next page, if any.")]

    def for_viewers(self) -> "LivePage":
        """Return all of it: viewers may see it as it is."""
        return self
