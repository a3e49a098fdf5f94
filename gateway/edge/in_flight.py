"""The requests in flight, and bounds on their number: in all, and of one user.

- It does not count a request that waits for its client or for the issuer of tokens, nor a stream
  after its head.
- One user may have a tenth. Only requests that go on to wait are counted by user: a read answered
  from memory never meets another.
- Writes may be a tenth more in all, so that reads cannot keep them out.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import ceil

from gateway.rooms import Overloaded

_PART = 10
_WRITES = frozenset({"POST", "DELETE"})


class _OfUser:
    """A request counted for its user, until the end of the block; a generator takes six times."""

    __slots__ = ("_leave",)

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._leave()


class InFlight:
    """The requests being worked on: `most`, and a tenth of it for each user, rounded up.

    `refused` is called for each request beyond its user's part.
    """

    __slots__ = ("_most", "_of_users", "_part", "_refused", "_requests", "enter", "leave")

    def __init__(self, most: int, refused: Callable[[], None] = lambda: None) -> None:
        self._most = most
        self._part = ceil(most / _PART)
        self._refused = refused
        self._requests: set[object] = set()
        self._of_users: dict[str | None, set[object]] = {}
        self.enter = self._requests.add
        self.leave = self._requests.discard

    @property
    def count(self) -> int:
        """The number of requests."""
        return len(self._requests)

    @property
    def is_free(self) -> bool:
        """True if there is a place for one more that is no write."""
        return len(self._requests) < self._most

    @property
    def users(self) -> int:
        """The number of users whose requests are counted."""
        return len(self._of_users)

    def full(self, method: str) -> bool:
        """Return True if there are more requests than may be beside one with this method."""
        beyond = len(self._requests) - self._most
        return beyond > 0 and (method not in _WRITES or beyond > self._part)

    def of_user(self, user_id: str, request: object) -> "_OfUser":
        """Return a context that counts `request` for its user. Raises Overloaded."""
        self._enter_for(user_id, request)
        try:
            self._require_part(user_id)
        except Overloaded:
            self._leave_for(user_id, request)
            raise
        return _OfUser(partial(self._leave_for, user_id, request))

    @contextmanager
    def away(self, user_id: str | None, request: object, method: str) -> Iterator[None]:
        """Do not count `request` while the block runs, in which it waits for others than us.

        Raises Overloaded if others have taken all places meanwhile.
        """
        self.depart(user_id, request)
        try:
            yield
        finally:
            self.enter(request)
            self._enter_for(user_id, request)
        if self.full(method):
            raise Overloaded
        self._require_part(user_id)

    def depart(self, user_id: str | None, request: object) -> None:
        """Do not count `request` any longer, in all and for its user."""
        self.leave(request)
        self._leave_for(user_id, request)

    def _require_part(self, user_id: str | None) -> None:
        if len(self._of_users.get(user_id, ())) > self._part:
            self._refused()
            raise Overloaded

    def _enter_for(self, user_id: str | None, request: object) -> None:
        if user_id is not None:
            self._of_users.setdefault(user_id, set()).add(request)

    def _leave_for(self, user_id: str | None, request: object) -> None:
        mine = self._of_users.get(user_id)
        if mine is not None:
            mine.discard(request)
            if not mine:
                del self._of_users[user_id]
