"""Liveness and readiness.

Ready means able to serve: with the keys that tokens are verified with, and not about to stop. What
else the gateway depends on is reported in `checks` but does not make it unready, or an outage
upstream would take every replica out at once.
"""

from collections.abc import Callable, Mapping

from litestar import get
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE
from msgspec import Struct

from .answers import NO_STORE, Answer, json

Checks = Mapping[str, Callable[[], str]]
"""A word for the state of each thing the gateway depends on, by name; `keys` are among them."""

_READY = "ready"
_KEYS, _MISSING = "keys", "missing"


class Health(Struct, frozen=True):
    """The process runs."""

    status: str = "ok"


class Readiness(Struct, frozen=True):
    """Whether requests should be sent here, and the state of each dependency."""

    status: str
    checks: Mapping[str, str]


def readiness(checks: Checks, draining: Callable[[], bool]) -> Readiness:
    """Return whether the gateway is `ready`, `starting` or `draining`."""
    states = {name: check() for name, check in checks.items()}
    if draining():
        return Readiness("draining", states)
    return Readiness("starting" if states[_KEYS] == _MISSING else _READY, states)


@get("/healthz")
async def healthz() -> Answer:
    """Answer while the process runs."""
    return json(Health(), NO_STORE)


@get("/readyz")
async def readyz(readiness: NamedDependency[Callable[[], Readiness]]) -> Answer:
    """Answer with the state of each dependency."""
    now = readiness()
    status = HTTP_200_OK if now.status == _READY else HTTP_503_SERVICE_UNAVAILABLE
    return json(now, NO_STORE, status=status)
