"""The vendor's client API, as far as the gateway uses it: calls in the name of a token's user.

- Starting a room puts its anchor into it. A room that is living begins anew.
- Only a user in the room can send a heartbeat; an anchor's keeps the room living.
- The list shows everyone every room's `push_url`, and the true number of users in it.
"""

from collections.abc import Awaitable, Callable
from math import ceil
from urllib.parse import parse_qs

from msgspec.structs import replace

from .accounts import Registration, Users
from .client_tokens import ClientTokens, TokenExpired, TokenRefused
from .database import ENDED, Rooms, Row
from .presence import Presence
from .request import Call
from .room_calls import RoomCalls
from .switches import DatabaseError, Faults
from .wording import Dialect, Outcome

_STATES = range(-1, ENDED + 1)


class ClientCalls:
    """The calls with a client token, and the call for one.

    `wait_while` returns once its condition is false.
    """

    def __init__(
        self,
        dialect: Dialect,
        rooms: Rooms,
        users: Users,
        faults: Faults,
        calls: RoomCalls,
        tokens: ClientTokens,
        *,
        clock: Callable[[], float],
        wait_while: Callable[[Callable[[], bool]], Awaitable[None]],
    ) -> None:
        self._dialect = dialect
        self._rooms = rooms
        self._users = users
        self._faults = faults
        self._calls = calls
        self._tokens = tokens
        self._clock = clock
        self._while = wait_while
        self._presence = Presence(clock)

    async def token(self, query: str) -> Outcome:
        """Give a token for a user, who is made if unknown."""
        app_id, user_id, device_id, expires_at = (
            parse_qs(query).get(name, [""])[0]
            for name in ("app_id", "user_id", "device_id", "expires_at")
        )
        if not app_id or not user_id or not (expires_at or "0").isdecimal():
            return Outcome(self._dialect.user_bad_request, error="Bad Request")
        await self._while(lambda: self._faults.database == "hang")
        try:
            if self._users.find(user_id) is None:
                self._users.register(Registration(user_id=user_id))
        except DatabaseError:
            return Outcome(self._dialect.register_failed)
        made = self._tokens.make(app_id, user_id, device_id, int(expires_at or "0"))
        return Outcome(self._dialect.user_success, made)

    async def answer(self, call: Call, operation: Callable[[str], Awaitable[Outcome]]) -> Outcome:
        """Return the outcome of an operation by the user of the call's token."""
        try:
            user_id = self._tokens.user_of("".join(call.values("authorization")[:1]))
        except TokenExpired:
            return Outcome(self._dialect.token_expired)
        except TokenRefused:
            return Outcome(self._dialect.bad_signature)
        await self._while(lambda: self._faults.database == "hang")
        try:
            if self._users.find(user_id) is None:
                return Outcome(self._dialect.client_unknown)
        except DatabaseError:
            return Outcome(self._dialect.client_lookup_failed)
        return await operation(user_id)

    async def start(self, live_id: str, request_id: str, user_id: str) -> Outcome:
        """Let a room go live."""
        try:
            row = await self._calls.look_up(live_id)
            if refusal := _refusal(row, user_id):
                return Outcome(self._dialect.start_failed, error=refusal)
            await self._calls.begin(row, request_id)
            self._presence.enter(user_id, live_id)
            return Outcome(self._dialect.success, self._shown(self._rooms.read(live_id)))
        except DatabaseError as error:
            return Outcome(self._dialect.start_failed, error=str(error))

    async def join(self, live_id: str, user_id: str) -> Outcome:
        """Put a user into a room."""
        self._presence.enter(user_id, live_id)
        try:
            return Outcome(self._dialect.success, self._shown(self._rooms.read(live_id)))
        except DatabaseError as error:
            return Outcome(self._dialect.join_failed, error=str(error))

    async def heartbeat(self, live_id: str, user_id: str) -> Outcome:
        """Keep a user in a room, and a living room so if it is the user's."""
        if not self._presence.holds(user_id, live_id):
            return Outcome(self._dialect.heartbeat_failed, error="user not in live room")
        try:
            row = self._newest(live_id)
        except DatabaseError as error:
            return Outcome(self._dialect.heartbeat_failed, error=str(error))
        self._presence.enter(user_id, live_id)
        if row.anchor_id == user_id:
            now = int(self._clock())
            self._rooms.put(replace(row, last_heartbeat_at=now, updated_at=now))
        state = {"live_id": live_id, "live_status": row.live_status}
        return Outcome(self._dialect.success, state)

    async def list(self, query: str, _user_id: str) -> Outcome:
        """List rooms, those that changed last first."""
        asked = parse_qs(query)
        try:
            number, size, state = (
                int(asked.get(name, [default])[0])
                for name, default in (("page_num", "1"), ("page_size", "10"), ("live_status", "-1"))
            )
        except ValueError:
            return Outcome(self._dialect.list_bad_request, error="page num is not int")
        if number <= 0 or size <= 0 or state not in _STATES:
            error = "page num or page size is not right"
            return Outcome(self._dialect.list_bad_request, error=error)
        try:
            found = [row for row in self._rooms.seen() if _is_wanted(row, state)]
            found.sort(key=lambda row: (row.updated_at, row.id), reverse=True)
            shown = [self._shown(row) for row in found[(number - 1) * size : number * size]]
        except DatabaseError as error:
            return Outcome(self._dialect.list_failed, error=str(error))
        page = {
            "total_count": len(found),
            "page_total": ceil(len(found) / size),
            "end_page": len(shown) < size,
            "list": shown,
        }
        return Outcome(self._dialect.success, page)

    def _newest(self, live_id: str) -> Row:
        self._faults.connect()
        row = self._rooms.find(live_id)
        if row is None:
            raise DatabaseError("record not found")
        return row

    def _shown(self, row: Row) -> dict[str, object]:
        """Return a room with the counts that only the client API has."""
        anchor = self._users.find(row.anchor_id)
        if anchor is None:
            raise DatabaseError("Not Found")
        name = self._faults.anchor_status
        shown = row.as_room(anchor, 0, name)
        is_there = int(self._presence.holds(row.anchor_id, row.live_id))
        return shown | {name: is_there, "online_count": self._presence.count(row.live_id)}


def _refusal(row: Row, user_id: str) -> str:
    if row.live_status == ENDED:
        return "live status error"
    return "" if row.anchor_id == user_id else "user not anchor"


def _is_wanted(row: Row, state: int) -> bool:
    return row.live_status != ENDED if state == -1 else row.live_status == state
