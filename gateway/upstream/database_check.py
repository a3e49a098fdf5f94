"""The database check: a failed read means something only while the vendor's database is up.

`legacy` answers a read of an unknown room and a read without a database with the same bytes. In
`documented`, one room that cannot be read looks like a dead database. A look-up of users tells the
two apart: it succeeds while the database is up, whatever users there are.

- Each read that the upstream failed at is followed by a look-up, over the same steps. Concurrent
  reads share one, and its answer is kept for a second.
- Rooms that were created or read before are not given up on an old answer, nor on one that was
  under way: the database may have died since.
- With the database down the read is a fault that counts for the breaker. If the look-up gets no
  reply, its own fault stands.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from gateway.single_flight import SingleFlight

from .call import Call, Send, deadline_in
from .faults import DatabaseDown, DeadlineExceeded
from .reply import Reply
from .users import look_up

_ANY_USER = "gateway-check"
_ROOM = "/server/live/"
_KEPT = 1.0
_PATIENCE = 2.0
_ROOMS = 10_000


class DatabaseCheck:
    """The last answer about the vendor's database; `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._up = False
        self._until = float("-inf")
        self._flights: SingleFlight[bool] = SingleFlight()
        self._seen: OrderedDict[str, None] = OrderedDict()

    def saw(self, path: str) -> None:
        """Note that the room at `path` is there."""
        self._seen[path] = None
        self._seen.move_to_end(path)
        if len(self._seen) > _ROOMS:
            self._seen.popitem(last=False)

    async def passes(self, call: Call, send: Send) -> bool:
        """Return whether the database is up after a failed read; raise the look-up's fault."""
        if self._clock() < self._until and not (self._up and call.path in self._seen):
            return self._up
        look = partial(self._ask, call.request_id, send)
        under_way = "" in self._flights
        try:
            async with asyncio.timeout_at(call.deadline):
                up = await self._flights.join("", look)
                if up and under_way and call.path in self._seen:
                    up = await self._flights.join("", look)
        except TimeoutError as error:
            raise DeadlineExceeded("no answer about the upstream's database in time") from error
        if up:
            self._seen.pop(call.path, None)
        return up

    async def _ask(self, request_id: str, send: Send, _: Callable[[], None]) -> bool:
        self._up = await database_is_up(send, deadline_in(_PATIENCE), request_id)
        self._until = self._clock() + _KEPT
        return self._up


async def database_is_up(send: Send, deadline: float, request_id: str) -> bool:
    """Look up a user, and return whether the vendor's database is up. Raises a Fault."""
    return (await send(Call("GET", look_up(_ANY_USER), deadline, request_id))).succeeded


def with_database_check(check: DatabaseCheck, send: Send) -> Send:
    """Return `send` with `check` after each read that failed. Raises DatabaseDown."""

    async def checked(call: Call) -> Reply:
        reply = await send(call)
        if call.method != "GET":
            return reply
        if reply.succeeded and call.path.startswith(_ROOM):
            check.saw(call.path)
        ambiguous = reply.says_failed and not reply.says_unavailable
        if ambiguous and not await check.passes(call, send):
            raise DatabaseDown("the upstream's database is down")
        return reply

    return checked
