"""Liveness and readiness.

Ready means able to serve: with the keys that verify tokens, and not about to stop. Every other
dependency is reported in `checks` only, or an outage upstream would take out every replica at once.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from .answers import NO_STORE, Answer, json

Checks = Mapping[str, Callable[[], str]]
"""A word for the state of each dependency, by its name; `keys` are among them."""


class Health(Struct, frozen=True):
    """The process runs."""

    status: str


class Readiness(Struct, frozen=True):
    """Readiness for requests, and the state of each dependency."""

    status: str
    checks: Mapping[str, str]


class HealthHandlers(Struct, frozen=True):
    """Answers probes from `checks` and `draining`, which is true once the gateway is to stop."""

    checks: Checks
    draining: Callable[[], bool]

    async def healthz(self) -> Answer:
        """Answer while the process runs."""
        return json(Health("ok"), NO_STORE)

    async def readyz(self) -> Answer:
        """Answer with the state of each dependency."""
        now = self.readiness()
        return json(now, NO_STORE, status=200 if now.status == "ready" else 503)

    def readiness(self) -> Readiness:
        """Return the state: `ready`, `starting` or `draining`."""
        states = {name: check() for name, check in self.checks.items()}
        if self.draining():
            return Readiness("draining", states)
        return Readiness("starting" if states["keys"] == "missing" else "ready", states)
