"""The users that may be anchors, looked up upstream and remembered for minutes.

The upstream compares user ids without case or accents, and makes a room of `alice` for `ALICE`. So
a creator is looked up by their exact id before a create is sent.

- One look-up serves all who ask at once. Only users who are there are remembered.
- Where registration is on, a caller unknown upstream is registered, then looked up until a replica
  shows them: the upstream looks its anchors up there too.
"""

from collections.abc import Callable
from functools import partial

from cachetools import TTLCache

from gateway.rooms import (
    AnchorNotRegistered,
    Caller,
    Patience,
    Upstream,
    UpstreamFailure,
    UpstreamTimeout,
)
from gateway.single_flight import SingleFlight

_SIZE = 10_000
_SECONDS = 300.0


class KnownAnchors:
    """Anchors known to `upstream`; with `register`, callers become anchors by creating a room.

    `clock` is monotonic, in seconds. `patience` bounds the wait for a registration to show.
    """

    def __init__(
        self,
        upstream: Upstream,
        patience: Patience,
        *,
        register: bool,
        clock: Callable[[], float],
        size: int = _SIZE,
    ) -> None:
        self._upstream = upstream
        self._patience = patience
        self._register = register
        self._known: TTLCache[str, None] = TTLCache(size, _SECONDS, clock)
        self._looks: SingleFlight[bool] = SingleFlight()
        self._registrations: SingleFlight[bool] = SingleFlight()

    async def require(self, anchor_id: str, caller: Caller) -> None:
        """Make sure that the upstream knows `anchor_id`; register only the caller themself.

        Raises AnchorNotRegistered or UpstreamFailure, both with `sent` False.
        """
        if anchor_id in self._known:
            return
        try:
            known = await self._looks.join(anchor_id, partial(self._look, anchor_id))
            if not known and self._register and anchor_id == caller.user_id:
                known = await self._registrations.join(anchor_id, partial(self._enrol, caller))
        except (AnchorNotRegistered, UpstreamFailure) as error:
            error.sent = False
            raise
        if not known:
            raise AnchorNotRegistered("no user has exactly this id", sent=False)

    async def aclose(self) -> None:
        """Wait for the calls in flight, which the upstream's deadline bounds."""
        await self._looks.aclose()
        await self._registrations.aclose()

    async def _look(self, user_id: str, _on_sent: Callable[[], None]) -> bool:
        return await self._find(user_id) or False

    async def _find(self, user_id: str) -> bool | None:
        """Return True for a user who is there, else None."""
        if await self._upstream.find_user(user_id) != user_id:
            return None
        self._known[user_id] = None
        return True

    async def _enrol(self, caller: Caller, on_sent: Callable[[], None]) -> bool:
        on_sent()
        deadline = self._patience.start()
        user_id = caller.user_id
        await self._upstream.register(user_id, caller.name, caller.picture)
        if await self._find(user_id) or await deadline.retry(partial(self._find, user_id)):
            return True
        raise UpstreamTimeout("the upstream does not show the registered user yet")
