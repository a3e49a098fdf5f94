"""An operator's orders, from the supervisor that takes them to all its workers.

They stand in memory that the processes share, as one text: who is refused, and the last rooms to be
forgotten. A worker looks several times a second whether there is another text. A new one begins
with the present text. All is forgotten when the gateway ends, but for refusals that gateways share,
see `refusal_replica`.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NoReturn

import msgspec
from msgspec import Struct

from gateway.handover import LastText, shared_text
from gateway.rooms import FieldProblem, InvalidRequest, RefusalKind, Refusals

MOST = 10_000
"""Users refused at once, and as many tokens."""

_EVICTIONS = 1000
"""Rooms in the text; a worker that has missed more of them forgets all rooms."""

_SIZE = 9 << 20
"""Bytes for the text: a user id of 128 characters has at most 512, a `jti` 256, a room's id 64."""

_EVERY = 0.2
"""Seconds between two looks of a worker."""


class _Orders(Struct, frozen=True, array_like=True):
    """Refusals, the number of evictions ever, and the ids of the last ones, the oldest first."""

    refusals: Refusals
    evictions: int
    evicted: tuple[str, ...]


class OrderBook:
    """The orders, written to `text` by one process. `clock` gives epoch seconds.

    Threads take turns: none calls a method while another one is in a method.
    """

    def __init__(self, text: LastText, clock: Callable[[], float]) -> None:
        self._text = text
        self._clock = clock
        self._refused: dict[RefusalKind, dict[str, float]] = {"users": {}, "tokens": {}}
        self._evicted: deque[str] = deque(maxlen=_EVICTIONS)
        self._evictions = 0
        self._changes = 0

    def evict(self, live_id: str) -> None:
        """Have a room forgotten."""
        self._evicted.append(live_id)
        self._evictions += 1
        self._publish()

    def refuse(self, kind: RefusalKind, name: str, until: float) -> None:
        """Refuse a user, or a token by its `jti`, until a time in epoch seconds.

        Raises InvalidRequest if too many are refused.
        """
        self._drop_past()
        refused = self._refused[kind]
        if name not in refused and len(refused) >= MOST:
            raise InvalidRequest(FieldProblem(kind, f"{MOST} are refused already"))
        refused[name] = until
        self._publish()

    def allow(self, kind: RefusalKind, name: str) -> None:
        """Refuse a user or token no longer."""
        if self._refused[kind].pop(name, None) is not None:
            self._publish()

    def replace(self, refusals: Refusals) -> None:
        """Refuse these, at most `MOST` of a kind, and no others."""
        self._drop_past()
        if refusals != Refusals(**self._refused):
            self._refused = {"users": dict(refusals.users), "tokens": dict(refusals.tokens)}
            self._publish()

    def in_force(self) -> Refusals:
        """Return who is refused now."""
        self._drop_past()
        return Refusals(**self._refused)

    def _drop_past(self) -> None:
        now = self._clock()
        for kind, refused in self._refused.items():
            self._refused[kind] = {name: each for name, each in refused.items() if each > now}

    def _publish(self) -> None:
        self._changes += 1
        orders = _Orders(Refusals(**self._refused), self._evictions, tuple(self._evicted))
        self._text.put(msgspec.msgpack.encode(orders), self._changes)


class OrderFollower:
    """Follows the orders in `text` by calling `refuse`, and for rooms `evict` and `evict_all`."""

    def __init__(
        self,
        text: LastText,
        refuse: Callable[[Refusals], None],
        evict: Callable[[str], Awaitable[None]],
        evict_all: Callable[[], Awaitable[None]],
    ) -> None:
        self._text = text
        self._refuse = refuse
        self._evict = evict
        self._evict_all = evict_all
        self._stamp = b""
        self._evictions = 0

    async def follow(self) -> NoReturn:
        """Look again and again until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_EVERY)

    async def look(self) -> None:
        """Follow the orders that came since the last look."""
        stamp = self._text.stamp()
        text = None if stamp == self._stamp else self._text.get()
        if text is None:
            return
        self._stamp = stamp
        orders = msgspec.msgpack.decode(text, type=_Orders)
        self._refuse(orders.refusals)
        missed, self._evictions = orders.evictions - self._evictions, orders.evictions
        if missed > len(orders.evicted):
            await self._evict_all()
            return
        for live_id in orders.evicted[len(orders.evicted) - missed :]:
            await self._evict(live_id)


def shared_orders() -> LastText:
    """Return memory for the orders. Make it before the first worker."""
    return shared_text(_SIZE)
