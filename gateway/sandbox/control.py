"""Control routes of the simulated vendor, on its own port, without a signature.

- `GET /sandbox`: dialect, switches, users and number of rooms.
- `GET /sandbox/rooms`: every row of the database, deleted ones too.
- `POST /sandbox/rooms/{live_id}/live`: the room goes live.
- `POST /sandbox/rooms/{live_id}/censor`: an administrator ends the living room.
- `PUT /sandbox/faults`: sets the switches named in a JSON object; see `Faults`.
- `DELETE /sandbox/faults`: all switches back to healthy.

Each answers with the state it leaves behind: the switches, or the room's row. Refusals are
`{"error": …}`.
"""

from msgspec import Struct

from .accounts import Users
from .database import Rooms
from .request import Call
from .room_calls import RoomCalls
from .switches import DatabaseError, Faults
from .wording import DialectName


class Controlled(Struct, frozen=True):
    """An answer of a control route: HTTP status and JSON."""

    status: int
    data: object


class Control:
    """The control routes of one vendor."""

    def __init__(
        self, dialect: DialectName, rooms: Rooms, users: Users, faults: Faults, calls: RoomCalls
    ) -> None:
        self._dialect = dialect
        self._rooms = rooms
        self._users = users
        self._faults = faults
        self._calls = calls

    async def answer(self, call: Call) -> Controlled:
        """Answer a call under `/sandbox`."""
        match (call.method, *call.raw_path.split("/")[2:]):
            case ("GET",):
                return Controlled(200, self._state())
            case ("GET", "rooms"):
                return Controlled(200, [row.as_stored() for row in self._rooms.all()])
            case ("POST", "rooms", live_id, ("live" | "censor") as change):
                return await self._change(live_id, change, call.request_id)
            case (("PUT" | "DELETE") as method, "faults"):
                return self._switch(call.body if method == "PUT" else None)
            case _:
                return Controlled(404, {"error": "no such control route"})

    def _state(self) -> dict[str, object]:
        return {
            "dialect": self._dialect,
            "faults": self._faults,
            "users": self._users.ids(),
            "rooms": len(self._rooms),
        }

    def _switch(self, body: bytes | None) -> Controlled:
        try:
            self._faults.reset() if body is None else self._faults.change(body)
        except ValueError as error:
            return Controlled(400, {"error": str(error)})
        return Controlled(200, self._faults)

    async def _change(self, live_id: str, change: str, request_id: str) -> Controlled:
        act = self._calls.go_live if change == "live" else self._calls.censor
        try:
            row = await act(live_id, request_id)
        except DatabaseError as error:
            return Controlled(409 if self._rooms.find(live_id) else 404, {"error": str(error)})
        return Controlled(200, row.as_stored())
