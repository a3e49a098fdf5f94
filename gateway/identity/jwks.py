"""The issuer's published keys, kept fresh without any request waiting for it.

- The set is fetched in the background, again before it is older than the refresh interval: so long
  does a key that the issuer has withdrawn still work at most, while the issuer answers.
- While it does not, or answers with anything but a JWK set, the last good set stays in use, however
  long that takes.
- A `kid` that is not in the set may be a new key, and has the set fetched at once, for all who ask
  together; then not again for a while, so that made-up ones cost the issuer next to nothing.
- Before there has been any set nobody can be let in, and nobody should be signed out: the answer
  is that the gateway is not available.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from structlog.typing import FilteringBoundLogger

from gateway.rooms import UpstreamUnavailable
from gateway.single_flight import SingleFlight
from gateway.telemetry import Counter

from .jwk import KeySet, parse_key_set
from .keys import Key

Fetch = Callable[[], Awaitable[bytes]]
"""Gets the JWK set's text within a time limit of its own; raises OSError where it cannot."""

_COOLDOWN = 5.0
"""Seconds between fetches that requests ask for."""

_EARLY = 0.8
"""How much of the interval passes before the set is fetched again; the rest is for trying."""

_RETRY = 0.05
"""How much of it passes after a fetch that failed."""

_LONGEST_RETRY = 10.0

_FLIGHT = "key set"


class JwksKeys:
    """Keys of the set that `fetch` gets, by `kid`; `refresh` in seconds, as `clock` counts them.

    `on_change` is called when another set has come into use; `refreshes` counts by outcome.
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
    ) -> None:
        self._fetch = fetch
        self._algorithms = algorithms
        self._refresh = refresh
        self._clock = clock
        self._on_change = on_change
        self._log = log
        self._refreshes = refreshes
        self._set: KeySet | None = None
        self._flights: SingleFlight[bool] = SingleFlight()
        self._next_on_demand = clock()
        self.state = "missing"
        """`ok`; `stale` while the issuer does not answer; `missing` before it ever has."""

    async def candidates(self, kid: str | None, /) -> Sequence[Key]:
        """Return the keys named `kid`, all for None; raise UpstreamUnavailable without a set."""
        found = self._named(kid)
        if not found and self._may_ask():
            await self.refresh()
            found = self._named(kid)
        if self._set is None:
            raise UpstreamUnavailable("there are no keys yet", retry_after=_COOLDOWN)
        return found

    async def refresh(self) -> bool:
        """Fetch the set, once for concurrent callers; return whether that succeeded."""
        return await self._flights.join(_FLIGHT, self._load)

    async def keep_fresh(self) -> None:
        """Fetch the set again and again until cancelled."""
        while True:
            fine = await self.refresh()
            again = min(self._refresh * _RETRY, _LONGEST_RETRY)
            await asyncio.sleep(self._refresh * _EARLY if fine else again)

    async def _load(self, must_finish: Callable[[], None]) -> bool:
        must_finish()
        try:
            fetched = parse_key_set(await self._fetch(), self._algorithms)
        except (OSError, ValueError) as error:
            self._failed(error)
            return False
        else:
            self._use(fetched)
            return True

    def _may_ask(self) -> bool:
        if _FLIGHT not in self._flights:
            if self._clock() < self._next_on_demand:
                return False
            self._next_on_demand = self._clock() + _COOLDOWN
        return True

    def _failed(self, error: Exception) -> None:
        self.state = "missing" if self._set is None else "stale"
        self._refreshes.inc("jwks", "failed")
        self._log.warning("keys_not_fetched", reason=str(error), using_last=self._set is not None)

    def _use(self, fetched: KeySet) -> None:
        self.state = "ok"
        self._refreshes.inc("jwks", "ok")
        if fetched == self._set:
            return
        names = [each.kid for each in fetched.keys]
        self._log.info("keys_fetched", kids=names, left_out=fetched.left_out)
        self._set = fetched
        self._on_change()

    def _named(self, kid: str | None) -> Sequence[Key]:
        return () if self._set is None else self._set.named(kid)
