"""The operator's refusals, exchanged between replicas through the shared store.

Each replica's supervisor has an `OrderBook`, which its workers follow. A thread of the supervisor
sends what its operator changes to the store, and takes from there what others have changed.

- All refusals are one hash, with a mark that each change replaces. A replica looks at the mark five
  times a second, and reads all if it is another.
- A refusal that was lifted leaves its name behind, until the refusal would have ended. So a replica
  that was away does not bring it back.
- The store's word counts. What it lacks altogether it has lost, and every replica that knows of it
  puts it back.
- While the store is down, changes wait, in order. They hold in their own replica at once.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from threading import Thread
from types import MappingProxyType
from typing import NoReturn

from structlog.typing import FilteringBoundLogger

from gateway.background import background_task
from gateway.metrics import Metrics
from gateway.orders import Change, OrderBook
from gateway.rooms import RefusalKind, Refusals, is_token_id, is_user_id
from gateway.settings import Settings
from gateway.shared_store import NOW, Script, SharedStore, StoreUnavailable, connect

_KEY = ("refusals",)
_EVERY = 0.2
_STOP = 2.0
"""Seconds."""

# ARGV: mark, field, end in epoch seconds (negative: lifted), 1 to leave a known field as it is.
_CHANGE = Script(
    """
if ARGV[4] == '1' and redis.call('HEXISTS', KEYS[1], ARGV[2]) == 1 then return end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3], 'mark', ARGV[1])
"""
)

_MARK = Script("return redis.call('HGET', KEYS[1], 'mark')")

# Returns names and values in turn; forgets what has ended.
_ALL = Script(
    NOW
    + """
local all = redis.call('HGETALL', KEYS[1])
local current = {}
for each = 1, #all, 2 do
  local ends = math.abs(tonumber(all[each + 1]) or 0)
  if ends * 1000 > now then
    table.insert(current, all[each])
    table.insert(current, all[each + 1])
  elseif all[each] ~= 'mark' then
    redis.call('HDEL', KEYS[1], all[each])
  end
end
return current
"""
)

_KINDS: Mapping[str, RefusalKind] = MappingProxyType({"users": "users", "tokens": "tokens"})


_IS_NAME = MappingProxyType({"users": is_user_id, "tokens": is_token_id})


class RefusalExchange:
    """Exchanges the refusals in `book` with those in `store`."""

    def __init__(self, store: SharedStore, book: OrderBook) -> None:
        self._store = store
        self._book = book
        self._changes: deque[Change] = deque()
        self._mark: bytes | None = b"none yet"
        book.tell(self._changes.append)

    @property
    def waiting(self) -> int:
        """The number of changes that have not reached the store."""
        return len(self._changes)

    async def follow(self) -> NoReturn:
        """Exchange until cancelled."""
        while True:
            await self.exchange()
            await asyncio.sleep(_EVERY)

    async def exchange(self) -> None:
        """Send this replica's changes, then take those of others."""
        try:
            while self._changes:
                await self._send(self._changes[0])
                self._changes.popleft()
            mark = await self._store.run(_MARK, _KEY)
            if mark != self._mark or mark is None:
                await self._take()
                self._mark = mark
        except StoreUnavailable:
            return

    async def _send(self, change: Change, *, if_lost: bool = False) -> None:
        kind, name, end = change
        mark, field = secrets.token_hex(8).encode(), f"{kind}:{name}".encode()
        await self._store.run(_CHANGE, _KEY, mark, field, repr(end).encode(), int(if_lost))

    async def _take(self) -> None:
        told = _parsed(await self._store.run(_ALL, _KEY))
        known = self._book.in_force()
        for kind in _KINDS.values():
            for name, end in getattr(known, kind).items():
                if name not in told[kind]:
                    await self._send((kind, name, end), if_lost=True)
                    told[kind][name] = end
        in_force = {
            kind: {name: end for name, end in ends.items() if end > 0}
            for kind, ends in told.items()
        }
        self._book.adopt(Refusals(**in_force), self._changes)


def _parsed(fields: Sequence[bytes]) -> dict[RefusalKind, dict[str, float]]:
    """Return the ends by name; leave out what no replica has written."""
    told: dict[RefusalKind, dict[str, float]] = {kind: {} for kind in _KINDS.values()}
    for field, value in zip(fields[::2], fields[1::2], strict=True):
        kind, _, name = field.decode(errors="replace").partition(":")
        if kind in _KINDS and _IS_NAME[kind](name):
            with suppress(ValueError):
                told[_KINDS[kind]][name] = float(value)
    return told


@contextmanager
def exchanging(
    settings: Settings, book: OrderBook, metrics: Metrics, log: FilteringBoundLogger
) -> Iterator[None]:
    """Exchange refusals in a thread while the block runs, if `settings` have a store."""
    url = settings.store
    if url is None:
        yield
        return
    loop = asyncio.new_event_loop()

    async def run() -> None:
        store = SharedStore(
            connect(url),
            settings.redis_prefix,
            clock=time.monotonic,
            log=log,
            calls=metrics.store_calls,
            duration=metrics.store_duration,
        )
        exchange = RefusalExchange(store, book)
        async with background_task(store.watch, log), background_task(exchange.follow, log):
            await ended.wait()
        await store.aclose()

    ended = asyncio.Event()
    thread = Thread(target=partial(loop.run_until_complete, run()), daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(_STOP)
