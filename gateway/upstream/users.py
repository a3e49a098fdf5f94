"""The vendor's users: the JSON of a look-up and of a registration."""

from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct

from .faults import Broken

_USERS = "/server/user"
REGISTER = f"{_USERS}/register"
LONGEST = 64
"""Characters of an id that the vendor keeps; it may cut a longer one and so make another user."""


class UserData(Struct, frozen=True):
    """A user as the vendor sends it; only the id is needed."""

    user_id: str


_users = msgspec.json.Decoder(list[UserData] | None)


def look_up(user_id: str) -> str:
    """Return the path and query of a look-up."""
    return f"{_USERS}/infos?user_ids={quote(user_id, safe='')}"


def decode_user_ids(data: Raw) -> list[str]:
    """Return the ids of the users in an envelope's `data`; raise Broken if it cannot be read.

    The vendor compares ids without case and accents, so an id may be spelled in another way.
    """
    try:
        return [user.user_id for user in _users.decode(data) or ()]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Broken("the users in the reply cannot be read") from None  # the cause may quote them


def encode_registration(user_id: str, nick: str, avatar: str) -> bytes:
    """Return the JSON body of a registration."""
    return msgspec.json.encode({"user_id": user_id, "nick": nick, "avatar": avatar})
