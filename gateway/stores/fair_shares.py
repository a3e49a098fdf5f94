"""Records of many users in bounded memory, so that nobody can push out another's.

- Expired records go first. When all places are taken, the user with the most records loses the
  oldest of them; among equals it is the newest user. So whoever fills the memory pushes out their
  own records, and a crowd of new users pushes out each other's.
- Users and keys are kept as hashes, so the size of a record does not depend on their length.
"""

import hashlib
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable
from operator import attrgetter
from typing import Generic, TypeVar

from msgspec import Struct, structs

T = TypeVar("T")

_DIGEST = 16
"""Bytes of a hash; nobody can find a second text for one."""

_AT_ONCE = 100
"""Expired records that one `put` drops; all of a day at once would block the event loop."""


class _User(Struct, gc=False):
    """The keys of a user's records, the oldest first; a newer user has a higher `number`."""

    name: bytes
    number: int
    keys: list[bytes]


class _Record(Struct, Generic[T], frozen=True, gc=False):
    until: float
    user: _User
    value: T


_number = attrgetter("number")


class FairShares(Generic[T]):
    """At most `size` records, each kept for `lifetime` seconds of a monotonic `clock`.

    `evicted` is called for each record that goes before its time.
    """

    def __init__(
        self, size: int, lifetime: float, clock: Callable[[], float], evicted: Callable[[], None]
    ) -> None:
        self._size = size
        self._lifetime = lifetime
        self._clock = clock
        self._evicted = evicted
        self._records: OrderedDict[bytes, _Record[T]] = OrderedDict()  # the oldest first
        self._users: dict[bytes, _User] = {}
        self._by_count: dict[int, list[_User]] = {}  # the newest user last
        self._most = 0
        self._numbers = 0

    def get(self, user: str, key: str) -> T | None:
        """Return the value of a record; None if there is none."""
        record = self._records.get(_hash(user) + _hash(key))
        return record.value if record is not None and self._clock() < record.until else None

    def put(self, user: str, key: str, value: T) -> None:
        """Add a record, or replace the value of one."""
        now = self._clock()
        self._expire(now)
        name = _hash(user)
        hashed = name + _hash(key)
        known = self._records.get(hashed)
        if known is not None and now < known.until:
            self._records[hashed] = structs.replace(known, value=value)
            return
        if known is not None:
            self._forget(hashed)
        owner = self._users.get(name) or self._new_user(name)
        self._records[hashed] = _Record(now + self._lifetime, owner, value)
        self._leave(owner)
        owner.keys.append(hashed)
        self._enter(owner)
        if len(self._records) > self._size:
            self._forget(self._by_count[self._most][-1].keys[0])
            self._evicted()

    def _expire(self, now: float) -> None:
        for _ in range(min(_AT_ONCE, len(self._records))):
            hashed, record = next(iter(self._records.items()))
            if now < record.until:
                break
            self._forget(hashed)

    def _new_user(self, name: bytes) -> _User:
        self._numbers += 1
        user = self._users[name] = _User(name, self._numbers, [])
        return user

    def _forget(self, hashed: bytes) -> None:
        user = self._records.pop(hashed).user
        self._leave(user)
        user.keys.remove(hashed)
        if user.keys:
            self._enter(user)
        else:
            del self._users[user.name]
        if self._most not in self._by_count:
            self._most -= 1

    def _enter(self, user: _User) -> None:
        count = len(user.keys)
        insort(self._by_count.setdefault(count, []), user, key=_number)
        self._most = max(self._most, count)

    def _leave(self, user: _User) -> None:
        count = len(user.keys)
        equals = self._by_count.get(count, [])
        if user.keys:
            del equals[bisect_left(equals, user.number, key=_number)]
            if not equals:
                del self._by_count[count]


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST).digest()
