"""An operator's orders in a gateway that shares its refusals with others.

An order is followed by this gateway's own workers at once, with or without the store. It reaches
the store at once too, or as soon as that is back, before anything is read from it. What others
have written there is read within a fifth of a second. The later word holds; if the store has lost
one, whoever knows it writes it there again.

An operator's thread gives orders while another one follows the store: a lock is held meanwhile, but
never while anybody waits for the store.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from threading import Event, Lock
from typing import NoReturn

from structlog.typing import FilteringBoundLogger

from gateway.background import background_task
from gateway.orders import MOST, OrderBook
from gateway.rooms import RefusalKind, Refusals
from gateway.shared_refusals import KINDS, Name, SharedRefusals, Word, Words
from gateway.shared_store import SharedStore, StoreUnavailable

_EVERY = 0.2
"""Seconds between two looks."""

_PATIENCE = 0.6
"""Seconds in which an order reaches a store that is up."""

_FIRST = 0.25
"""Seconds for a first look; a store that is up needs a tenth of them."""

_DAY = 86_400.0
"""Seconds for which a refusal that nobody here knows of is kept as lifted."""

_GRACE = 60.0
"""Seconds until a past word is removed; clocks of gateways may differ by so much."""


class RefusalReplica:
    """Orders for `book`, whose refusals are those in `store`.

    `clock` gives epoch seconds, `timer` monotonic ones.
    """

    def __init__(
        self,
        book: OrderBook,
        store: SharedStore,
        *,
        clock: Callable[[], float],
        timer: Callable[[], float],
        log: FilteringBoundLogger,
    ) -> None:
        self._book = book
        self._store = store
        self._shared = SharedRefusals(store)
        self._clock = clock
        self._timer = timer
        self._log = log
        self._lock = Lock()
        self._words: dict[Name, Word] = {}
        self._unsent: dict[Name, float | None] = {}  # times of words to be sent, None once stamped
        self._seen: bytes | None = None
        self._ahead: float | None = None  # milliseconds of the store's clock before `timer`
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looked = Event()

    def evict(self, live_id: str) -> None:
        """Have a room forgotten by this gateway's workers."""
        with self._lock:
            self._book.evict(live_id)

    def refuse(self, kind: RefusalKind, name: str, until: float) -> bool:
        """Refuse a user, or a token by its `jti`, until a time in epoch seconds.

        Return whether the store has it within `_PATIENCE`. Raises InvalidRequest if too many are
        refused.
        """
        with self._lock:
            self._book.refuse(kind, name, until)
            self._note((kind, name), until)
        return self._sent((kind, name))

    def allow(self, kind: RefusalKind, name: str) -> bool:
        """Refuse a user or token no longer; return whether the store has it within `_PATIENCE`."""
        with self._lock:
            self._book.allow(kind, name)
            self._note((kind, name), 0.0)
        return self._sent((kind, name))

    def in_force(self) -> Refusals:
        """Return who is refused now."""
        with self._lock:
            return self._book.in_force()

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the store, and send orders to it, until `stop` is set."""
        self._loop = asyncio.get_running_loop()
        try:
            async with (
                background_task(self._store.watch, self._log),
                background_task(self._follow, self._log),
            ):
                await stop.wait()
        finally:
            self._loop = None
            await self._store.aclose()

    def wait_for_first_look(self) -> None:
        """Wait until the first look has ended, for at most a quarter of a second.

        Nobody who is refused gets in because a gateway has just started.
        """
        self._looked.wait(_FIRST)

    async def _follow(self) -> NoReturn:
        while True:
            await self.look()
            self._looked.set()
            await asyncio.sleep(_EVERY)

    async def look(self) -> None:
        """Send the orders that the store lacks; read all that it has if there is anything new."""
        try:
            version = await self._version()
            await self._send()
            if version != self._seen or (self._words and not version):
                await self._read()
                self._seen = version
        except StoreUnavailable:
            return

    async def _version(self) -> bytes:
        began = self._timer()
        now, version = await self._shared.version()
        self._ahead = now - began * 1000
        return version

    async def _send(self) -> None:
        if not self._unsent:
            return
        if self._ahead is None:
            await self._version()
        words = self._stamped()
        await self._shared.write(words)
        with self._lock:
            for name, word in words.items():
                if self._words.get(name) is word:
                    self._unsent.pop(name, None)

    def _stamped(self) -> Words:
        """Return the unsent words. Each keeps the store's time of it, however often it is sent."""
        with self._lock:
            for name, at in self._unsent.items():
                if at is not None:
                    word, stamp = self._words[name], int(at * 1000 + (self._ahead or 0.0))
                    self._words[name] = Word(word.until, word.kept, max(word.stamp, stamp))
            self._unsent = dict.fromkeys(self._unsent)
            return {name: self._words[name] for name in self._unsent}

    async def _read(self) -> None:
        theirs, now = await self._shared.read(), self._clock()
        with self._lock:
            lost, useless = self._merge(theirs, now)
        await self._shared.write(lost)
        await self._shared.remove(useless)

    def _merge(self, theirs: Words, now: float) -> tuple[Words, Words]:
        """Take over later words; return ours that the store lacks, and useless ones in it."""
        mine = self._words
        for name, word in theirs.items():
            if name not in mine or (name not in self._unsent and mine[name].stamp <= word.stamp):
                mine[name] = word
        self._drop(now)
        mine = self._words
        self._book.replace(_refusals(mine, now))
        lost = {
            name: word
            for name, word in mine.items()
            if name not in self._unsent and (name not in theirs or theirs[name].stamp < word.stamp)
        }
        useless = {
            name: word
            for name, word in theirs.items()
            if word.kept + _GRACE <= now or (word.until <= now < word.kept and name not in mine)
        }
        return lost, useless

    def _note(self, name: Name, until: float) -> None:
        now = self._clock()
        before = self._words.get(name)
        kept = max(until, before.kept) if before else until or now + _DAY
        self._words[name] = Word(until, kept, before.stamp + 1 if before else 0)
        self._unsent[name] = self._timer()
        self._drop(now)

    def _drop(self, now: float) -> None:
        """Forget words that no longer matter, and those beyond the bounds.

        These are the latest refusals, and the oldest of the lifted ones; last, in both, come words
        that the store has yet to get.
        """
        refused: dict[RefusalKind, list[Name]] = {kind: [] for kind in KINDS}
        lifted: dict[RefusalKind, list[Name]] = {kind: [] for kind in KINDS}
        for name, word in self._words.items():
            if word.kept > now:
                (refused if word.until > now else lifted)[name[0]].append(name)
        kept: list[Name] = []
        for kind in KINDS:
            kept += self._first(refused[kind], lambda word: word.stamp)
            kept += self._first(lifted[kind], lambda word: -word.stamp)
        self._words = {name: self._words[name] for name in kept}
        self._unsent = {name: at for name, at in self._unsent.items() if name in self._words}

    def _first(self, names: list[Name], order: Callable[[Word], int]) -> list[Name]:
        """Return the first of these, as many as there may be."""
        if len(names) > MOST:
            names.sort(key=lambda name: (name not in self._unsent, order(self._words[name]), name))
        return names[:MOST]

    def _sent(self, name: Name) -> bool:
        """Send what is unsent; return whether the store has the word on this name."""
        if self._loop is not None:
            sending = asyncio.run_coroutine_threadsafe(self._send(), self._loop)
            with suppress(StoreUnavailable, TimeoutError, CancelledError):
                sending.result(_PATIENCE)
        with self._lock:
            return name not in self._unsent


def _refusals(words: Words, now: float) -> Refusals:
    """Return those of these words that refuse somebody."""
    refused: dict[RefusalKind, dict[str, float]] = {kind: {} for kind in KINDS}
    for (kind, name), word in words.items():
        if word.until > now:
            refused[kind][name] = word.until
    return Refusals(**refused)
