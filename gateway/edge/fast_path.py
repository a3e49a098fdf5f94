"""Room reads by callers known already, answered before any routing.

Nearly all traffic is viewers polling rooms, with a token that was verified a moment ago. Such a
read is answered here, in a fraction of the time that routing takes. An odd request goes the usual
way. Both ways ask the same service and end in `answers.found`.
"""

from collections.abc import Callable, Mapping

from litestar.types import HTTPScope, Receive
from msgspec import Struct

from gateway.rooms import AnchorRoom, CachedRoom, Caller, RoomService, is_live_id

from . import answers
from .answers import Answer
from .cookie import TokenCookie
from .exchange import Exchange
from .incoming import Incoming
from .paths import ROOM, ROOMS
from .rate_limits import RateLimits

_PREFIX = f"{ROOMS}/"
_BEARER = b"Bearer "


class FastPath(Struct, frozen=True):
    """Reads rooms from `rooms` for callers whose token `recall_caller` knows."""

    rooms: RoomService
    recall_caller: Callable[[str], Caller | None]
    limits: RateLimits
    cookie: TokenCookie | None

    async def __call__(
        self, scope: HTTPScope, receive: Receive, headers: Mapping[bytes, bytes], exchange: Exchange
    ) -> Answer | None:
        """Return the answer to a read of a room; None for other requests.

        None of the request's `headers` is repeated. Raises the errors of the usual way:
        RateLimited, Overloaded, RoomNotFound, UpstreamFailure, and those of
        `Incoming.while_connected`.
        """
        path = scope["path"]
        if scope["method"] != "GET" or not path.startswith(_PREFIX):
            return None
        live_id = path[len(_PREFIX) :]
        token = self._token_in(headers) if is_live_id(live_id) else None
        caller = None if token is None else self.recall_caller(token)
        if caller is None:
            return None
        scope["path_template"] = ROOM
        exchange.user_id = caller.user_id
        await self.limits.admit(caller.user_id, exchange)
        room: CachedRoom | AnchorRoom | None = self.rooms.peek(caller, live_id)
        if room is None:
            room = await self.rooms.find(caller, live_id)
        if room is None:
            with exchange.in_flight.of_user(caller.user_id, exchange):
                read = self.rooms.get(caller, live_id)
                room = await Incoming(receive, headers, exchange).while_connected(read)
        return answers.found(room, headers.get(b"if-none-match"))

    def _token_in(self, headers: Mapping[bytes, bytes]) -> str | None:
        authorization = headers.get(b"authorization")
        if authorization is not None:
            bearer = authorization.startswith(_BEARER)
            return authorization[len(_BEARER) :].decode("latin-1") if bearer else None
        if self.cookie is None:
            return None
        tokens = self.cookie.tokens(headers.get(b"cookie", b""))
        return tokens[0] if len(tokens) == 1 else None
