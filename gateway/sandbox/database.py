"""The simulated vendor's rooms.

- The simulated anchor goes live at once. The create reply says created (0); later replies say
  living (1), with `start_time` set to the moment of creation. A room with `start_at` in the future
  stays created until then.
- Only a stop ends a room (2); `end_at` has no effect.
- A delete is soft: the record stays but is never found.
- Unset times are as in the service: Go's zero time, but 0 for `start_time` after the create reply.
  `extends` is null if never set.
- `push_url` is made once, at creation, and outlives the broadcast.
- The store is bounded; the oldest rooms are evicted first.
"""

from collections.abc import Callable

from msgspec import UNSET, Struct

from .create import Create, epoch_seconds
from .urls import play_urls, push_url, stream_token

CREATED, LIVING, ENDED = 0, 1, 2
GO_ZERO_TIME = -62135596800
"""The year 1 in epoch seconds, shown by the service for an unset time."""

_LIMIT = 10_000
_PUSH_LIFETIME = 86_400


class Anchor(Struct, frozen=True):
    """A registered user. `extends` is never set here."""

    user_id: str
    im_userid: int
    nick: str
    avatar: str = ""
    extends: dict[str, str] | None = None


class Room(Struct, kw_only=True):
    """A stored room. `living_from` and `ended_at` are epoch seconds."""

    live_id: str
    request: Create
    anchor: Anchor
    chat_id: int
    push_url: str
    room_token: str
    living_from: float
    ended_at: int | None = None
    deleted: bool = False

    def status(self, now: float) -> int:
        """Return `live_status` at `now`, epoch seconds."""
        if self.ended_at is not None:
            return ENDED
        return LIVING if now >= self.living_from else CREATED

    def as_created(self) -> dict[str, object]:
        """Return the room as in the create reply."""
        return self._shown(CREATED, start_time=GO_ZERO_TIME)

    def as_read(self, now: float) -> dict[str, object]:
        """Return the room as in the reply to a read at `now`, epoch seconds."""
        status = self.status(now)
        return self._shown(status, start_time=0 if status == CREATED else int(self.living_from))

    def _shown(self, status: int, start_time: int) -> dict[str, object]:
        extends = self.request.extends
        room: dict[str, object] = {
            "live_id": self.live_id,
            "title": self.request.title,
            "notice": self.request.notice,
            "cover_url": self.request.cover_url,
            "extends": None if extends is UNSET else extends,
            "anchor_info": self.anchor,
            "anchor_status": 1 if status == LIVING else 0,
            "room_token": self.room_token,
            "pk_id": "",
            "online_count": 0,
            "start_time": start_time,
            "end_time": GO_ZERO_TIME if self.ended_at is None else self.ended_at,
            "chat_id": self.chat_id,
            "push_url": self.push_url,
            **play_urls(self.live_id),
            "pv": 0,
            "uv": 0,
            "total_count": 0,
            "total_mics": 0,
            "live_status": status,
        }
        return room | self._stop()

    def _stop(self) -> dict[str, object]:
        if self.ended_at is None:
            return {}
        return {
            "stop_reason": "normal",
            "stop_user_id": self.anchor.user_id,
            "stop_at": self.ended_at,
        }


class Rooms:
    """Registered anchors and their rooms, at most `limit` of them."""

    def __init__(self, secret_key: str, clock: Callable[[], float], limit: int = _LIMIT) -> None:
        self._secret_key = secret_key
        self._clock = clock
        self._limit = limit
        self._last_id = 10**18
        self._anchors: dict[str, Anchor] = {}
        self._rooms: dict[str, Room] = {}

    def __len__(self) -> int:
        return len(self._rooms)

    def register(self, user_id: str) -> Anchor:
        """Register the user `user_id` as an anchor, if new, and return it."""
        if user_id not in self._anchors:
            self._anchors[user_id] = Anchor(user_id, self.new_id(), nick=user_id)
        return self._anchors[user_id]

    def create(self, request: Create) -> Room | None:
        """Store a new room; None if its anchor is not registered."""
        anchor = self._anchors.get(request.anchor_id)
        if anchor is None:
            return None
        room = self._new_room(request, anchor)
        self._rooms[room.live_id] = room
        if len(self._rooms) > self._limit:
            del self._rooms[next(iter(self._rooms))]
        return room

    def find(self, live_id: str) -> Room | None:
        """Return the room unless it is unknown or deleted."""
        room = self._rooms.get(live_id)
        return None if room is None or room.deleted else room

    def stop(self, room: Room) -> bool:
        """End `room` if it is living; return true if it was."""
        now = self._clock()
        if room.status(now) != LIVING:
            return False
        room.ended_at = int(now)
        return True

    def new_id(self) -> int:
        """Return a new 19-digit id, always increasing: milliseconds, then a counter."""
        self._last_id = max(self._last_id + 1, int(self._clock() * 1000) << 20)
        return self._last_id

    def _new_room(self, request: Create, anchor: Anchor) -> Room:
        now, live_id = self._clock(), str(self.new_id())
        start, expire = request.start_at, request.publish_expire_at
        expires = int(now) + _PUSH_LIFETIME if expire is UNSET else epoch_seconds(expire)
        return Room(
            live_id=live_id,
            request=request,
            anchor=anchor,
            chat_id=self.new_id(),
            push_url=push_url(live_id, expires, self._secret_key),
            room_token=stream_token(f"/rtc/{live_id}", self._secret_key),
            living_from=now if start is UNSET else max(now, epoch_seconds(start)),
        )
