"""Users and tokens that an operator refuses."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

RefusalKind = Literal["users", "tokens"]


class Refusals(Struct, frozen=True):
    """The times until which `users`, and `tokens` by their `jti`, are refused, in epoch seconds."""

    users: Mapping[str, float]
    tokens: Mapping[str, float]

    def __bool__(self) -> bool:
        return bool(self.users or self.tokens)

    def cover(self, user_id: str, token_id: str, now: float) -> bool:
        """Return True if the user or the token is refused at `now`, in epoch seconds."""
        return self.users.get(user_id, 0) > now or self.tokens.get(token_id, 0) > now
