"""The root, liveness and readiness.

Ready means able to serve: with the keys that verify tokens, and not about to stop. Every other
dependency is reported in `checks` only, or an outage upstream would take out every replica at once.

The root is for probes that cannot be told a path, and for people.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from msgspec import Struct

from .answers import NO_STORE, Answer, json
from .paths import HEALTH, READINESS

SERVICE = "live-room-gateway"

Checks = Mapping[str, Callable[[], str]]
"""A word for the state of each dependency, by its name; `keys` are among them."""


class Index(Struct, frozen=True, omit_defaults=True):
    """The service and its public paths; the documents are there unless they are turned off."""

    service: str
    healthz: str
    readyz: str
    docs: str = ""
    openapi: str = ""


class Health(Struct, frozen=True):
    """The process runs."""

    status: str


class Readiness(Struct, frozen=True):
    """Readiness for requests, and the state of each dependency."""

    status: str
    checks: Mapping[str, str]


class HealthHandlers(Struct, frozen=True):
    """Answers probes from `checks` and `draining`, which is true once the gateway is to stop.

    Clients know its paths below `root_path`; those of the documents are in `docs`, by their names
    in `Index`.
    """

    checks: Checks
    draining: Callable[[], bool]
    root_path: str = ""
    docs: Mapping[str, str] = MappingProxyType({})

    async def index(self) -> Answer:
        """Name the service and its public paths."""
        public = {"healthz": HEALTH, "readyz": READINESS, **self.docs}
        paths = {name: f"{self.root_path}{path}" for name, path in public.items()}
        return json(Index(SERVICE, **paths), NO_STORE)

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
