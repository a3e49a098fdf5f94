"""Liveness and readiness.

Ready means able to serve: with the keys that verify tokens, and not about to stop. Every other
dependency is reported in `checks` only, or an outage upstream would take out every replica at once.
"""

from collections.abc import Callable, Mapping

from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE
from msgspec import Struct

from .answers import NO_STORE, Answer, json

Checks = Mapping[str, Callable[[], str]]
"""A word for the state of each dependency, by its name; `keys` are among them."""

_READY = "ready"
_KEYS, _MISSING = "keys", "missing"


class Health(Struct, frozen=True):
    """The process runs."""

    status: str


class Readiness(Struct, frozen=True):
    """Readiness for requests, and the state of each dependency."""

    status: str
    checks: Mapping[str, str]


class HealthHandlers:
    """Answers probes from `checks` and `draining`, which is true once the gateway is to stop."""

    def __init__(self, checks: Checks, draining: Callable[[], bool]) -> None:
        self._checks = checks
        self._draining = draining

    async def healthz(self) -> Answer:
        """Answer while the process runs."""
        return json(Health("ok"), NO_STORE)

    async def readyz(self) -> Answer:
        """Answer with the state of each dependency."""
        now = self.readiness()
        status = HTTP_200_OK if now.status == _READY else HTTP_503_SERVICE_UNAVAILABLE
        return json(now, NO_STORE, status=status)

    def readiness(self) -> Readiness:
        """Return the state: `ready`, `starting` or `draining`."""
        states = {name: check() for name, check in self._checks.items()}
        if self._draining():
            return Readiness("draining", states)
        return Readiness("starting" if states[_KEYS] == _MISSING else _READY, states)
