"""The issuer's published JWK set, refreshed in the background.

- The set is fetched again before it is older than the refresh interval. A key that the issuer
  withdraws works no longer than that, as long as the issuer answers.
- If the issuer fails or sends anything but a JWK set, the last good set of all workers stays in use
  without limit. A new worker begins with it.
- An unknown `kid` may be a new key, so it triggers one fetch shared by all waiting requests. A
  cooldown follows, so made-up `kid`s cost the issuer next to nothing. While the issuer hangs, they
  wait at most half of the time.
- Without any set yet, requests get `upstream_unavailable`: a 401 would sign users out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from gateway.rooms import UpstreamUnavailable
from gateway.single_flight import SingleFlight
from gateway.telemetry import Counter

from .jwk import KeySet, parse_key_set
from .keys import Key, Waiting

Fetch = Callable[[], Awaitable[bytes]]
"""A fetch of the JWK set's text, with its own timeout; raises OSError."""

_COOLDOWN = 5.0
"""Seconds between fetches triggered by requests."""

_EARLY = 0.8
"""Fraction of the interval until the next fetch; the rest is for retries."""

_RETRY = 0.05
"""Fraction of the interval until a failed fetch is retried."""

_LONGEST_RETRY = 10.0

_FLIGHT = "key set"


class LastSet(Protocol):
    """The text of the last good set that any worker of the gateway has fetched."""

    def put(self, text: bytes, read_at: float, /) -> None:
        """Keep a set as the last, unless another worker began to read one after `read_at`."""

    def get(self) -> bytes | None:
        """Return the last set, None without one."""


KEY_SET_STATES = ("ok", "stale", "missing")


class JwksKeys:
    """The keys of the JWK set from `fetch`, by `kid`. `refresh` is in seconds of `clock`.

    `issuer` is its name in the log.

    `on_change` is called after the set has changed. `refreshes` counts fetches by outcome. The
    `last` set is the first, and that of a failed fetch: another worker's may be newer.
    """

    def __init__(
        self,
        fetch: Fetch,
        algorithms: Sequence[str] | None,
        *,
        refresh: float,
        clock: Callable[[], float],
        on_change: Callable[[], None],
        log: FilteringBoundLogger,
        refreshes: Counter,
        issuer: str | None = None,
        last: LastSet | None = None,
    ) -> None:
        self._fetch = fetch
        self._algorithms = algorithms
        self._refresh = refresh
        self._clock = clock
        self._on_change = on_change
        self._log = log.bind(issuer=issuer) if issuer else log
        self._refreshes = refreshes
        self._last = last
        self._set = self._last_set()
        self._flights: SingleFlight[bool] = SingleFlight()
        self._next_on_demand = clock()
        self.state = "missing" if self._set is None else "stale"
        """`ok`; `stale` before this worker's own first fetch or after a failed one; `missing`."""

    async def candidates(self, kid: str | None, waiting: Waiting = nullcontext, /) -> Sequence[Key]:
        """Return the keys named `kid`, or all for None; raise UpstreamUnavailable without a set.

        Unknown keys are fetched inside of `waiting`; a caller that it refuses triggers no fetch.
        """
        found = self._named(kid)
        if not found and self._may_ask():
            async with waiting():
                await self._ask()
            found = self._named(kid)
        if self._set is None:
            raise UpstreamUnavailable("there are no keys yet", retry_after=_COOLDOWN)
        return found

    async def refresh(self) -> bool:
        """Fetch the set, once for concurrent callers; return whether that succeeded."""
        return await self._flights.join(_FLIGHT, self._load)

    async def keep_fresh(self) -> None:
        """Fetch the set repeatedly until cancelled."""
        while True:
            fine = await self.refresh()
            again = min(self._refresh * _RETRY, _LONGEST_RETRY)
            await asyncio.sleep(self._refresh * _EARLY if fine else again)

    async def _load(self, must_finish: Callable[[], None]) -> bool:
        must_finish()
        began = self._clock()
        try:
            text = await self._fetch()
            fetched = parse_key_set(text, self._algorithms)
        except (OSError, ValueError) as error:
            self._failed(error)
            return False
        if self._last is not None:
            self._last.put(text, began)
        self.state = "ok"
        self._refreshes.inc("jwks", "ok")
        self._use(fetched)
        return True

    def _last_set(self) -> KeySet | None:
        text = None if self._last is None else self._last.get()
        return None if text is None else parse_key_set(text, self._algorithms)

    def _may_ask(self) -> bool:
        return _FLIGHT in self._flights or self._clock() >= self._next_on_demand

    async def _ask(self) -> None:
        if _FLIGHT not in self._flights:
            self._next_on_demand = self._clock() + _COOLDOWN
        await self.refresh()

    def _failed(self, error: Exception) -> None:
        self._next_on_demand = self._clock() + _COOLDOWN
        last = self._last_set()
        if last is not None:
            self._use(last)
        self.state = "missing" if self._set is None else "stale"
        self._refreshes.inc("jwks", "failed")
        self._log.warning("keys_not_fetched", reason=str(error), using_last=self._set is not None)

    def _use(self, fetched: KeySet) -> None:
        if fetched == self._set:
            return
        names = [each.kid for each in fetched.keys]
        self._log.info("keys_fetched", kids=names, left_out=fetched.left_out)
        self._set = fetched
        self._on_change()

    def _named(self, kid: str | None) -> Sequence[Key]:
        return () if self._set is None else self._set.named(kid)
