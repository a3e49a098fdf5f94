"""Fair shares of the upstream: one user never has more than a few connections to it.

A bulkhead for each user. A place stands for work that makes one upstream call at a time: a shared
read of a room, a create, a stop, a delete.

- A place is taken before the work begins. Work that has begun never waits for one, because others
  may have joined it: a limit by user among the connections would make them wait in a stranger's
  queue. To join costs nothing.
- A place is held until the work has ended, even if its client has left long before. `Place.hold`
  hands it to a task that outlives the request.
- Without a free place a user waits in order, and for a bounded time. A background refresh does not
  wait: the room is served stale, and another reader's look-up refreshes it.
- Work for no user, such as a read for many watchers, needs no place. The connection limiter bounds
  it with all the rest.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Self

from .errors import Overloaded

_PART = 10
"""A user may have one in this many connections."""

_LEAST = 2


def share_of(connections: int) -> int:
    """Return the number of so many connections that one user may have."""
    return min(connections, max(_LEAST, connections // _PART))


class Place:
    """A place of one user; `release` frees it once all holders have let go.

    As a context it lets go for its first holder.
    """

    __slots__ = ("_holders", "_release")

    def __init__(self, release: Callable[[], None]) -> None:
        self._release = release
        self._holders = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()

    def hold(self) -> Callable[[], None]:
        """Hold the place too, until the function returned is called."""
        self._holders += 1
        return self.let_go

    def let_go(self) -> None:
        """Let go as one of the holders."""
        self._holders -= 1
        if not self._holders:
            self._release()


class _User:
    """The places that a user has taken, and the turns that wait for one, in order."""

    __slots__ = ("taken", "waiting")

    def __init__(self) -> None:
        self.taken = 0
        self.waiting: dict[asyncio.Future[bool], None] = {}


class FairShare:
    """At most `places` at once for each user; a wait ends after `seconds`.

    `refused` is called for each work without a place. Only users with work under way are in memory.
    """

    def __init__(self, places: int, seconds: float, refused: Callable[[], None]) -> None:
        self.places = places
        self._seconds = seconds
        self._refused = refused
        self._users: dict[str | None, _User] = {}

    @property
    def users(self) -> int:
        """The number of users with work under way."""
        return len(self._users)

    async def place(self, user_id: str | None) -> Place:
        """Return a place, None for nobody's work, which its holder must let go.

        Raises Overloaded.
        """
        return self.try_take(user_id) or await self._turn(user_id)

    def try_take(self, user_id: str | None) -> Place | None:
        """Return a place if one is free, which its holder must let go."""
        if user_id is None:
            return Place(_nothing)
        user = self._users.setdefault(user_id, _User())
        if user.taken == self.places:
            return None
        user.taken += 1
        return Place(partial(self._release, user_id))

    async def _turn(self, user_id: str | None) -> Place:
        user = self._users[user_id]
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        user.waiting[turn] = None
        end = loop.call_later(self._seconds, _end, turn)
        try:
            come = await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.result():  # it came at the same moment
                self._release(user_id)
            raise
        finally:
            end.cancel()
            del user.waiting[turn]
        if not come:
            self._refused()
            raise Overloaded(f"all {self.places} places of the user are taken")
        return Place(partial(self._release, user_id))

    def _release(self, user_id: str | None) -> None:
        """Pass a place on to the user's next turn, or free it."""
        user = self._users[user_id]
        for turn in user.waiting:
            if not turn.done():
                turn.set_result(True)
                return
        user.taken -= 1
        if not user.taken:
            del self._users[user_id]


def _end(turn: asyncio.Future[bool]) -> None:
    """End the wait for a turn that has not come."""
    if not turn.done():
        turn.set_result(False)


def _nothing() -> None:
    """Free no place."""
