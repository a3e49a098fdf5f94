"""Liveness and readiness.

Ready means able to serve; what the gateway depends on is reported in `checks` but does not make it
unready, or an outage upstream would take every replica out at once.
"""

from collections.abc import Callable, Mapping

from litestar import get
from litestar.di import NamedDependency
from msgspec import Struct

from .answers import NO_STORE, Answer, json

Checks = Mapping[str, Callable[[], str]]
"""A word for the state of each thing the gateway depends on, by name."""


class Health(Struct, frozen=True):
    """The process runs."""

    status: str = "ok"


class Readiness(Struct, frozen=True):
    """Whether requests should be sent here, and the state of each dependency."""

    status: str
    checks: Mapping[str, str]


@get("/healthz")
async def healthz() -> Answer:
    """Answer while the process runs."""
    return json(Health(), NO_STORE)


@get("/readyz")
async def readyz(checks: NamedDependency[Checks]) -> Answer:
    """Answer with the state of each dependency."""
    states = {name: check() for name, check in checks.items()}
    return json(Readiness("ready", states), NO_STORE)
