"""Reads of a room by a caller who is known already, answered before any routing.

Nearly all traffic is viewers polling rooms, with a token that was verified a moment ago. Such a
read is answered here, in a fraction of the time that routing takes; whatever is odd about a request
sends it the usual way. Both ways ask the same service and end in `answers.found`.
"""

from collections.abc import Awaitable, Callable, Mapping

from litestar.types import HTTPScope

from gateway.rooms import Caller, RoomService, is_live_id

from . import answers
from .answers import Answer
from .cookie import TokenCookie
from .exchange import Exchange
from .paths import ROOM, ROOMS
from .rate_limits import RateLimits

_PREFIX = f"{ROOMS}/"
_BEARER = b"Bearer "


class FastPath:
    """Reads rooms from `rooms` for callers whom `recall_caller` knows by their token."""

    def __init__(
        self,
        rooms: RoomService,
        recall_caller: Callable[[str], Caller | None],
        limits: RateLimits,
        cookie: TokenCookie | None,
    ) -> None:
        self._rooms = rooms
        self._recall_caller = recall_caller
        self._limits = limits
        self._cookie = cookie

    def __call__(
        self, scope: HTTPScope, headers: Mapping[bytes, bytes], exchange: Exchange
    ) -> Answer | Awaitable[Answer] | None:
        """Return the answer to a read of a room, or what will give it; None for other requests.

        `headers` are the request's, each of which stands once.

        Raises what the usual way would: RateLimited, RoomNotFound, UpstreamFailure.
        """
        path = scope["path"]
        if scope["method"] != "GET" or not path.startswith(_PREFIX):
            return None
        live_id = path[len(_PREFIX) :]
        token = self._token_in(headers) if is_live_id(live_id) else None
        caller = None if token is None else self._recall_caller(token)
        if caller is None:
            return None
        scope["path_template"] = ROOM
        exchange.user_id = caller.user_id
        self._limits.admit(caller.user_id, exchange)
        condition = headers.get(b"if-none-match")
        seen = self._rooms.peek(caller, live_id)
        if seen is not None:
            return answers.found(seen, condition)
        return self._fetched(caller, live_id, condition)

    def _token_in(self, headers: Mapping[bytes, bytes]) -> str | None:
        authorization = headers.get(b"authorization")
        if authorization is not None:
            bearer = authorization.startswith(_BEARER)
            return authorization[len(_BEARER) :].decode("latin-1") if bearer else None
        if self._cookie is None:
            return None
        tokens = self._cookie.tokens(headers.get(b"cookie", b""))
        return tokens[0] if len(tokens) == 1 else None

    async def _fetched(self, caller: Caller, live_id: str, condition: bytes | None) -> Answer:
        return answers.found(await self._rooms.get(caller, live_id), condition)
