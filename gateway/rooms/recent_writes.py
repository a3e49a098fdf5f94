"""The rooms that have just been created, started, stopped and deleted.

The upstream's reads may go to a replica that lags, for seconds. For `lag` seconds after each write
a read that contradicts it is not believed. A read that agrees ends nothing: the next one may go to
another replica.

The memory is bounded, the oldest write is forgotten first. It holds the viewer shape of created
rooms, never a `push_url`.
"""

from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct, structs

from .errors import RoomNotFound, UpstreamTimeout
from .room import CREATED, ENDED, LIVING, AnchorRoom, ViewerRoom

Room = TypeVar("Room", AnchorRoom, ViewerRoom)

_SIZE = 10_000


class Lagging(UpstreamTimeout):
    """A read that does not show this process's own write yet; `room` is the truth.

    After a start or stop that is the room as read, but living or ended. After a create it is the
    room as created, whose `push_url` only the upstream has.
    """

    def __init__(self, room: ViewerRoom | AnchorRoom) -> None:
        super().__init__("the upstream does not show the gateway's last write yet")
        self.room = room


class Write(Struct, frozen=True, gc=False):
    """The writes to one room, of effect until a moment of the clock."""

    until: float
    created: ViewerRoom | None = None
    begun: bool = False
    ended: bool = False
    deleted: bool = False


_NONE = Write(0)


class RecentWrites:
    """Writes of the last `lag` seconds on `clock`, at most `size` of them."""

    def __init__(self, lag: float, *, clock: Callable[[], float], size: int = _SIZE) -> None:
        self._lag = lag
        self._clock = clock
        self._size = size
        self._writes: dict[str, Write] = {}  # the oldest first

    @property
    def count(self) -> int:
        """The number of writes in memory."""
        return len(self._writes)

    async def created(self, room: ViewerRoom) -> None:
        """Remember that `room` was created."""
        self.learn(room.live_id, self._lag, created=room)

    async def started(self, live_id: str) -> None:
        """Remember that a room is living."""
        created = (self.find(live_id) or _NONE).created
        self.learn(live_id, self._lag, created=created, begun=True)

    async def stopped(self, live_id: str) -> None:
        """Remember that a room has ended; a repeat, which may know it from here, renews nothing."""
        write = self.find(live_id) or _NONE
        if not write.ended:
            self.learn(live_id, self._lag, created=write.created, ended=True)

    async def deleted(self, live_id: str) -> None:
        """Remember that a room is gone."""
        self.learn(live_id, self._lag, deleted=True)

    async def judge(self, live_id: str, read: Room | None) -> Room:
        """Return the room that was just read, None for not found, if no write contradicts it.

        Raises RoomNotFound, or Lagging with a better answer.
        """
        write = self.find(live_id) or _NONE
        if write.deleted:
            raise RoomNotFound
        if read is None:
            if write.created is None:
                raise RoomNotFound
            raise Lagging(_changed(write, write.created))
        changed = _changed(write, read)
        if changed is not read:
            raise Lagging(changed)
        return read

    def find(self, live_id: str) -> Write | None:
        """Return the writes to a room that are still of effect."""
        write = self._writes.get(live_id)
        return write if write is not None and self._clock() < write.until else None

    def learn(
        self,
        live_id: str,
        seconds: float,
        *,
        created: ViewerRoom | None = None,
        begun: bool = False,
        ended: bool = False,
        deleted: bool = False,
    ) -> None:
        """Remember the writes to a room for so many seconds, in place of earlier ones."""
        now = self._clock()
        self._writes.pop(live_id, None)
        self._writes[live_id] = Write(now + seconds, created, begun, ended, deleted)
        while (oldest := next(iter(self._writes), None)) is not None:
            if len(self._writes) <= self._size and now < self._writes[oldest].until:
                break
            del self._writes[oldest]


def _changed(write: Write, room: Room) -> Room:
    """Return `room` in the state that a start or stop has put it in; itself if it shows that."""
    if write.ended and not room.has_ended:
        return structs.replace(room, live_status=ENDED)
    if write.begun and room.live_status == CREATED:
        return structs.replace(room, live_status=LIVING)
    return room
