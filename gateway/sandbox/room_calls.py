"""The vendor's calls on rooms, in the service's own order of steps.

The order decides what an error leaves behind. A create asks the chat service before the row is
written, and the censor after. Legacy builds forget a stop that the database refused.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Literal

from msgspec.structs import replace

from .accounts import User, Users
from .callbacks import send_callback
from .create import Create, epoch_seconds, parse_create
from .database import CREATED, ENDED, GO_ZERO_TIME, LIVING, Rooms, Row
from .request import Call
from .switches import DatabaseError, Faults, Part
from .urls import play_urls, push_url
from .wording import Dialect, Outcome

_PUSH_LIFETIME = 3600
_SILENCE = 600
"""Seconds without a heartbeat after which a living room ends."""

_HOURS = MappingProxyType({"UTC+8": 8, "UTC": 0})


class RoomCalls:
    """The four calls on rooms, and the changes made by others.

    `wait_while` returns once its condition is false.
    """

    def __init__(
        self,
        dialect: Dialect,
        rooms: Rooms,
        users: Users,
        faults: Faults,
        *,
        secret_key: str,
        clock: Callable[[], float],
        new_id: Callable[[], int],
        wait_while: Callable[[Callable[[], bool]], Awaitable[None]],
    ) -> None:
        self._dialect = dialect
        self._rooms = rooms
        self._users = users
        self._faults = faults
        self._secret_key = secret_key
        self._clock = clock
        self._new_id = new_id
        self._while = wait_while

    async def create(self, call: Call) -> Outcome:
        """Create a room."""
        try:
            asked = parse_create(call.body)
        except ValueError as error:
            return Outcome(self._dialect.bad_request, error=str(error))
        await self._while(lambda: self._faults.database == "hang")
        try:
            anchor = self._users.find(asked.anchor_id)
        except DatabaseError:
            return Outcome(self._dialect.anchor_lookup_failed)
        if anchor is None:
            return Outcome(self._dialect.anchor_unknown)
        return await self._create(asked, anchor, call.request_id)

    async def _create(self, asked: Create, anchor: User, request_id: str) -> Outcome:
        if not await self._reach("chat"):
            return Outcome(self._dialect.create_failed, error="create chatroom failed")
        try:
            row = self._rooms.insert(self._new_row(asked, str(self._new_id())))
        except DatabaseError as error:
            return Outcome(self._dialect.create_failed, error=str(error))
        if self._faults.panic:
            return Outcome(None)
        censored = await self._reach("censor")
        await self._tell("live_created", row.as_stored(), request_id)
        if not censored and self._dialect.censor_matters:
            return Outcome(self._dialect.create_failed)
        return Outcome(
            self._dialect.success, row.as_room(anchor, GO_ZERO_TIME, self._faults.anchor_status)
        )

    def add_living(self, live_id: str, asked: Create) -> None:
        """Store a living room, whatever the faults; tell nobody."""
        row = self._new_row(asked, live_id)
        self._rooms.put(replace(row, live_status=LIVING, start_at=int(self._clock())))

    async def read(self, live_id: str) -> Outcome:
        """Read a room."""
        try:
            row = await self.look_up(live_id)
            anchor = self._users.find(row.anchor_id)
        except DatabaseError as error:
            return Outcome(self._dialect.read_failed, error=str(error))
        if anchor is None:
            return Outcome(self._dialect.anchor_unknown)
        return Outcome(self._dialect.success, row.as_room(anchor, 0, self._faults.anchor_status))

    async def stop(self, live_id: str, request_id: str) -> Outcome:
        """End a living room. Where the censor matters, its error takes the place of any before."""
        try:
            row = await self.look_up(live_id)
        except DatabaseError as error:
            return Outcome(self._dialect.lookup_failed, error=str(error))
        if row.live_status != LIVING:
            return Outcome(self._dialect.stop_failed, error="live status error")
        failure = ""
        try:
            self._rooms.update(replace(row, live_status=ENDED, end_at=int(self._clock())))
        except DatabaseError as error:
            failure = str(error)
        else:
            await self._tell("live_stopped", {"live_id": live_id}, request_id)
        censored = await self._reach("censor")
        if self._dialect.censor_matters:
            failure = "" if censored else "stop censor job failed"
        wording = self._dialect.stop_failed if failure else self._dialect.success
        return Outcome(wording, error=failure)

    async def delete(self, live_id: str, request_id: str) -> Outcome:
        """Delete a room, living or not."""
        try:
            await self.look_up(live_id)
        except DatabaseError as error:
            return Outcome(self._dialect.lookup_failed, error=str(error))
        try:
            self._rooms.delete(live_id)
        except DatabaseError as error:
            return Outcome(self._dialect.delete_failed, error=str(error))
        await self._tell("live_deleted", {"live_id": live_id}, request_id)
        return Outcome(self._dialect.success)

    async def begin(self, row: Row, request_id: str) -> None:
        """Begin a room, also one that is living; raise DatabaseError, and tell all the same."""
        try:
            self._rooms.update(replace(row, **self._begun()))
        finally:
            await self._tell("live_started", {"live_id": row.live_id}, request_id)

    async def go_live(self, live_id: str, request_id: str) -> Row:
        """Begin a room, whatever the faults; raise DatabaseError if unknown or ended."""
        row = self._moved(live_id, (CREATED, LIVING), self._begun())
        await self._tell("live_started", {"live_id": live_id}, request_id)
        return row

    async def end_silent(self) -> None:
        """End the living rooms without a heartbeat for ten minutes, as the service's timer does."""
        latest = self._clock() - _SILENCE
        for row in self._rooms.all():
            beat = row.last_heartbeat_at
            if row.live_status == LIVING and beat is not None and beat < latest:
                self._rooms.put(replace(row, live_status=ENDED, end_at=int(self._clock())))
                await self._tell("live_stopped", {"live_id": row.live_id}, "TimeoutLiveRoom")

    async def censor(self, live_id: str, request_id: str) -> Row:
        """End a living room, as an administrator does; raise DatabaseError if it is not living."""
        now = int(self._clock())
        stop = {"stop_reason": "censor", "stop_user_id": "admin", "stop_at": now}
        row = self._moved(live_id, (LIVING,), {"live_status": ENDED, "end_at": now, **stop})
        await self._tell("live_stopped", {"live_id": live_id}, request_id)
        return row

    def _begun(self) -> dict[str, int]:
        now = int(self._clock())
        return {
            "live_status": LIVING,
            "start_at": now,
            "last_heartbeat_at": now,
            "updated_at": now,
        }

    def _moved(self, live_id: str, allowed: tuple[int, ...], changes: Mapping[str, object]) -> Row:
        row = self._rooms.find(live_id)
        if row is None:
            raise DatabaseError("record not found")
        if row.live_status not in allowed:
            raise DatabaseError("live status error")
        row = replace(row, **changes)
        self._rooms.put(row)
        return row

    async def _tell(self, event: str, body: dict[str, object], request_id: str) -> None:
        if not self._faults.callback_url:
            return
        sending = send_callback(self._faults.callback_url, event, body, request_id)
        if self._faults.callback_first:
            await self._while(sending.is_alive)

    async def look_up(self, live_id: str) -> Row:
        """Read a room, once nothing hangs; raise DatabaseError."""
        faults = self._faults
        await self._while(lambda: faults.database == "hang" or live_id in faults.hanging_rooms)
        return self._rooms.read(live_id)

    async def _reach(self, part: Literal["chat", "censor"]) -> bool:
        await self._while(lambda: getattr(self._faults, part) == "hang")
        state: Part = getattr(self._faults, part)
        return state == "up"

    def _new_row(self, asked: Create, live_id: str) -> Row:
        now, hours = self._clock(), _HOURS[self._faults.timezone]
        play = play_urls(live_id)
        expires = epoch_seconds(asked.publish_expire_at, hours)
        if expires is None or expires <= now:
            expires = int(now) + _PUSH_LIFETIME
        return Row(
            live_id=live_id,
            title=asked.title,
            notice=asked.notice,
            cover_url=asked.cover_url,
            extends=asked.extends_text(),
            anchor_id=asked.anchor_id,
            start_at=epoch_seconds(asked.start_at, hours),
            end_at=epoch_seconds(asked.end_at, hours),
            chat_id=self._new_id(),
            push_url=push_url(live_id, expires, self._secret_key),
            created_at=int(now),
            updated_at=int(now),
            rtmp_play_url=play["rtmp"],
            flv_play_url=play["flv"],
            hls_play_url=play["hls"],
        )
