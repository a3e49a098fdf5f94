"""The simulated vendor's users: everyone who may be an anchor.

Ids are compared as the database does it (`utf8mb4_general_ci`): without case, accents and trailing
spaces, and with all characters beyond U+FFFF alike. So ALICE is alice.
"""

import math
import unicodedata
from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct

from .switches import DatabaseError, Faults


class User(Struct, frozen=True, kw_only=True):
    """A user as shown by the service. `extends` is null if never set."""

    user_id: str
    nick: str = ""
    avatar: str = ""
    im_userid: int
    extends: dict[str, str] | None = None


class Registration(Struct, frozen=True, kw_only=True):
    """The body of a registration."""

    user_id: str = ""
    nick: str = ""
    avatar: str = ""
    extends: dict[str, str] | None = None


def parse_registration(body: bytes) -> Registration:
    """Decode a registration; raise ValueError with the problem."""
    try:
        return msgspec.json.decode(body, type=Registration)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def folded(user_id: str) -> str:
    """Return `user_id` so that ids equal to the database are equal."""
    plain = (c if c <= "\uffff" else "\ufffd" for c in unicodedata.normalize("NFD", user_id))
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    return letters.replace("ß", "s").upper().rstrip(" ")


class Users:
    """All users. Reads see the state `faults.lag` seconds ago."""

    def __init__(
        self, faults: Faults, clock: Callable[[], float], new_id: Callable[[], int]
    ) -> None:
        self._faults = faults
        self._clock = clock
        self._new_id = new_id
        self._users: dict[str, tuple[float, User]] = {}

    def add(self, user_id: str) -> None:
        """Add a user that was always there; none if the id is known."""
        user = User(user_id=user_id, nick=user_id, im_userid=self._new_id())
        self._users.setdefault(folded(user_id), (-math.inf, user))

    def ids(self) -> list[str]:
        """Return the ids of all users, oldest first."""
        return [user.user_id for _, user in self._users.values()]

    def find(self, user_id: str) -> User | None:
        """Return the user with an equal id; raise DatabaseError."""
        return next(iter(self.select([user_id])), None)

    def select(self, user_ids: Iterable[str]) -> list[User]:
        """Return the known ones of `user_ids`, each once, oldest first; raise DatabaseError."""
        self._faults.connect()
        asked, seen_until = {folded(each) for each in user_ids}, self._clock() - self._faults.lag
        known = self._users.items()
        return [user for key, (since, user) in known if key in asked and since <= seen_until]

    def register(self, asked: Registration) -> None:
        """Add a user; raise DatabaseError, also for an id already there."""
        fit = self._faults.fit
        user = User(
            user_id=fit("user_id", asked.user_id, 64),
            nick=fit("nick", asked.nick, 64),
            avatar=fit("avatar", asked.avatar, 255),
            im_userid=self._new_id(),
            extends=asked.extends,
        )
        key = folded(user.user_id)
        if key in self._users:
            raise DatabaseError(f"Error 1062: Duplicate entry '{user.user_id}' for key 'user_id'")
        with self._faults.commit():
            self._users[key] = (self._clock(), user)
