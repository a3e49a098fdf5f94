"""The simulated vendor's rooms, as rows of its database.

- A row is created (0), then living (1) only once someone goes live, then ended (2) by a stop.
- A delete is soft: the row stays but is never found.
- `start_at` and `end_at` are the planned times until the room really starts and ends.
- Reads see the state `faults.lag` seconds ago; writes take the newest.
- Text too long for its column is an error, or cut in silence with a lax `sql_mode`. A row with cut
  `extends` can never be read again.
- The store is bounded; the oldest rooms are evicted first.
"""

from collections.abc import Callable

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from .accounts import User
from .switches import DatabaseError, Faults

CREATED, LIVING, ENDED = 0, 1, 2
GO_ZERO_TIME = -62135596800
"""The year 1 in epoch seconds, shown by the service for an unset time."""

_LIMIT = 10_000
_COLUMNS = (("title", 128), ("notice", 255), ("cover_url", 255), ("extends", 1024))


class Row(Struct, frozen=True, kw_only=True):
    """A room as stored. Times are epoch seconds; `extends` is the JSON text of its column."""

    id: int = 0
    live_id: str
    title: str
    notice: str
    cover_url: str
    extends: str
    anchor_id: str
    live_status: int = CREATED
    pk_id: str = ""
    online_count: int = 0
    start_at: int | None
    end_at: int | None
    chat_id: int
    push_url: str
    rtmp_play_url: str
    flv_play_url: str
    hls_play_url: str
    last_heartbeat_at: int | None = None
    created_at: int
    updated_at: int
    deleted_at: int | None = None
    stop_reason: str = ""
    stop_user_id: str = ""
    stop_at: int | None = None
    unreview_censor_count: int = 0
    last_censor_time: int = 0

    def as_stored(self) -> dict[str, object]:
        """Return the row with `extends` decoded, or as text where that fails."""
        try:
            extends = msgspec.json.decode(self.extends)
        except msgspec.DecodeError:
            extends = self.extends
        return asdict(self) | {"extends": extends}

    def as_room(self, anchor: User, unset_start: int, anchor_status: str) -> dict[str, object]:
        """Return the room in a reply. The counters and `anchor_status` are always 0."""
        room: dict[str, object] = {
            "live_id": self.live_id,
            "title": self.title,
            "notice": self.notice,
            "cover_url": self.cover_url,
            "extends": msgspec.json.decode(self.extends),
            "anchor_info": anchor,
            anchor_status: 0,
            "room_token": "",  # the server API sends none
            "pk_id": self.pk_id,
            "online_count": self.online_count,
            "start_time": unset_start if self.start_at is None else self.start_at,
            "end_time": GO_ZERO_TIME if self.end_at is None else self.end_at,
            "chat_id": self.chat_id,
            "push_url": self.push_url,
            "hls_url": self.hls_play_url,
            "rtmp_url": self.rtmp_play_url,
            "flv_url": self.flv_play_url,
            "pv": 0,
            "uv": 0,
            "total_count": 0,
            "total_mics": 0,
            "live_status": self.live_status,
        }
        stop = {name: getattr(self, name) for name in ("stop_reason", "stop_user_id", "stop_at")}
        return room | {name: value for name, value in stop.items() if value}


class Rooms:
    """The table of rooms, at most `limit` of them, each with its versions by time of writing."""

    def __init__(self, faults: Faults, clock: Callable[[], float], limit: int = _LIMIT) -> None:
        self._faults = faults
        self._clock = clock
        self._limit = limit
        self._inserted = 0
        self._versions: dict[str, list[tuple[float, Row]]] = {}

    def __len__(self) -> int:
        return len(self._versions)

    def all(self) -> list[Row]:
        """Return every row in its newest version, deleted ones too."""
        return [versions[-1][1] for versions in self._versions.values()]

    def find(self, live_id: str) -> Row | None:
        """Return the newest version of a row; None if unknown or deleted. Faults do not matter."""
        versions = self._versions.get(live_id)
        return _present(versions[-1][1]) if versions else None

    def read(self, live_id: str) -> Row:
        """Return a row as the replica has it; raise DatabaseError."""
        self._faults.connect()
        seen_until = self._clock() - self._faults.lag
        versions = self._versions.get(live_id, [])
        row = next((row for since, row in reversed(versions) if since <= seen_until), None)
        if row is None or _present(row) is None:
            raise DatabaseError("record not found")
        try:
            msgspec.json.decode(row.extends)
        except msgspec.DecodeError as error:
            raise DatabaseError("unexpected end of JSON input") from error
        return row

    def seen(self) -> list[Row]:
        """Return every row as the replica has it; raise DatabaseError."""
        found = []
        for live_id in self._versions:
            try:
                found.append(self.read(live_id))
            except DatabaseError:
                self._faults.connect()  # is it the row, or the database?
        return found

    def insert(self, row: Row) -> Row:
        """Store a new row and return it with its id; raise DatabaseError.

        With a lax `sql_mode` what is stored is cut to its columns, and what is returned is not.
        """
        self._inserted += 1
        row = replace(row, id=self._inserted)
        stored = {name: self._faults.fit(name, getattr(row, name), at) for name, at in _COLUMNS}
        with self._faults.commit():
            self.put(replace(row, **stored))
        if len(self._versions) > self._limit:
            del self._versions[next(iter(self._versions))]
        return row

    def update(self, row: Row) -> None:
        """Store a changed row; raise DatabaseError, also if it was deleted meanwhile."""
        if self.find(row.live_id) is None:
            raise DatabaseError(f"Error 1062: Duplicate entry '{row.id}' for key 'PRIMARY'")
        with self._faults.commit():
            self.put(row)

    def delete(self, live_id: str) -> None:
        """Mark a row as deleted, if it is there; raise DatabaseError."""
        row = self.find(live_id)
        with self._faults.commit():
            if row is not None:
                self.put(replace(row, deleted_at=int(self._clock())))

    def put(self, row: Row) -> None:
        """Store a version of a row, whatever the faults."""
        self._versions.setdefault(row.live_id, []).append((self._clock(), row))


def _present(row: Row) -> Row | None:
    return row if row.deleted_at is None else None
