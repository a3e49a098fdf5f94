"""The verified end user behind a request."""

from msgspec import Struct


class Caller(Struct, frozen=True):
    """An authenticated user.

    `user_id` is the value of the configured user claim; `scopes` are those that the token grants.
    `name` and `picture` are empty if the token has none.
    """

    user_id: str
    scopes: frozenset[str] = frozenset()
    name: str = ""
    picture: str = ""
