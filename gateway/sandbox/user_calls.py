"""The vendor's calls on users: registration and look-ups."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from .accounts import Users, parse_registration
from .switches import DatabaseError, Faults
from .wording import Dialect, Outcome

_USERS_AT_ONCE = 200


class UserCalls:
    """The calls on users. `wait_while` returns once its condition is false."""

    def __init__(
        self,
        dialect: Dialect,
        users: Users,
        faults: Faults,
        wait_while: Callable[[Callable[[], bool]], Awaitable[None]],
    ) -> None:
        self._dialect = dialect
        self._users = users
        self._faults = faults
        self._while = wait_while

    async def register(self, body: bytes) -> Outcome:
        """Register a user."""
        try:
            asked = parse_registration(body)
        except ValueError as error:
            return Outcome(self._dialect.user_bad_json, error=str(error))
        if not asked.user_id:
            return Outcome(self._dialect.user_bad_request, error="empty user_id")
        await self._while(lambda: self._faults.database == "hang")
        try:
            if self._users.find(asked.user_id) is not None:
                return Outcome(self._dialect.user_exists)
            self._users.register(asked)
        except DatabaseError:
            return Outcome(self._dialect.register_failed)
        return Outcome(self._dialect.user_success)

    async def user_infos(self, query: str) -> Outcome:
        """List the known users out of `user_ids`."""
        asked = parse_qs(query, keep_blank_values=True).get("user_ids", [])
        if not 0 < len(asked) <= _USERS_AT_ONCE:
            error = "ids cant be empty, or more than 200"
            return Outcome(self._dialect.user_bad_request, error=error)
        await self._while(lambda: self._faults.database == "hang")
        try:
            return Outcome(self._dialect.user_success, self._users.select(asked))
        except DatabaseError:
            return Outcome(self._dialect.user_lookup_failed)

    async def user_info(self, user_id: str) -> Outcome:
        """Show one user."""
        await self._while(lambda: self._faults.database == "hang")
        try:
            user = self._users.find(user_id)
        except DatabaseError:
            return Outcome(self._dialect.user_lookup_failed)
        if user is None:
            return Outcome(self._dialect.user_unknown)
        return Outcome(self._dialect.user_success, user)
