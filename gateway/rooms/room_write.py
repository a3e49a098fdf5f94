"""A record of each write: who did what to which room, and what came of it.

A write is recorded once, at its end, however it ends; also where its client has left meanwhile.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct

from .caller import Caller
from .errors import ClientGone, GatewayError


class RoomWrite(Struct):
    """A create, stop or delete by a user.

    `live_id` is None as long as there is no room. `outcome` is `ok`, `replayed`, the code of an
    error, `client_gone` for a create that was not sent, or `cut_off` at the end of the process.
    `as_admin` is True for another user's room.
    """

    operation: str
    user_id: str
    live_id: str | None = None
    outcome: str = "ok"
    as_admin: bool = False


Report = Callable[[RoomWrite], None]


@contextmanager
def recorded(
    report: Report, operation: str, caller: Caller, live_id: str | None = None
) -> Iterator[RoomWrite]:
    """Report the write that the block makes; the block completes the record."""
    write = RoomWrite(operation, caller.user_id, live_id)
    try:
        yield write
    except BaseException as error:
        write.outcome = _outcome(error)
        raise
    finally:
        report(write)


def _outcome(error: BaseException) -> str:
    match error:
        case GatewayError():
            return error.code
        case ClientGone():
            return "client_gone"
        case asyncio.CancelledError():
            return "cut_off"
    return "internal_error"
