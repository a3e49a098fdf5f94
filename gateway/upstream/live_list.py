"""The vendor's list of living rooms, decoded into a type that has no `push_url`.

The reply has every room's `push_url`. Each room is decoded and searched for repeats of it as one
that is read alone, see `wire`. Here, in `_listed`, the `push_url` is dropped: nothing later has it.

A room that cannot be read is left out. `legacy` sends blank ones in place of those that it could
not read itself.
"""

from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

import msgspec
from msgspec import Raw, Struct

from gateway.rooms import LIVING, LivePage, ViewerRoom

from .faults import Broken
from .wire import Int64, decode_room


class _ListData(Struct, frozen=True):
    total_count: Int64
    list: Sequence[Raw] | None

    def __repr__(self) -> str:
        return "_ListData(…)"


class ListedRoom(Struct, frozen=True):
    """A room of the list, and the names of its fields that were `repaired` or that `repeated`."""

    room: ViewerRoom
    repaired: Sequence[str]
    repeated: Sequence[str]


class Listing(Struct, frozen=True):
    """A page of the list: its readable rooms, the number of `unreadable` ones, and the total.

    `is_last` is true for a page without any room and for one that reaches the total.
    """

    rooms: Sequence[ListedRoom]
    unreadable: int
    total: int
    is_last: bool

    def as_page(self, number: int) -> LivePage:
        """Return the rooms as page `number`, without those that have ended meanwhile."""
        rooms = [each.room for each in self.rooms if each.room.live_status == LIVING]
        ended = len(self.rooms) - len(rooms)
        return LivePage(rooms, max(0, self.total - ended), None if self.is_last else number + 1)


_lists = msgspec.json.Decoder(_ListData)


def ask_for_page(number: int, size: int) -> str:
    """Return the path and query of a call for a page of living rooms."""
    asked = {"page_num": number, "page_size": size, "live_status": LIVING}
    return f"/client/live/room/list?{urlencode(asked)}"


def decode_listing(number: int, size: int, data: Raw) -> Listing:
    """Return page `number` of the list in an envelope's `data`; raise Broken without one."""
    try:
        sent = _lists.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        sent = None
    if sent is None:  # outside of `except`: an error in there would carry the data in its context
        raise Broken("the list in the reply cannot be read")
    given = sent.list or ()
    rooms = tuple(_listed(given))
    is_last = not given or number * size >= sent.total_count
    return Listing(rooms, len(given) - len(rooms), max(0, sent.total_count), is_last)


def _listed(given: Sequence[Raw]) -> Iterator[ListedRoom]:
    for each in given:
        try:
            decoded = decode_room(each)
        except Broken:
            continue
        yield ListedRoom(decoded.room.for_viewers(), decoded.repaired, decoded.repeated)
