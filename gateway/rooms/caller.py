"""Who is calling: the verified end user behind a request."""

from msgspec import Struct


class Caller(Struct, frozen=True):
    """An authenticated user.

    `user_id` is the value of the configured user claim, `scopes` what the token grants.
    """

    user_id: str
    scopes: frozenset[str] = frozenset()
