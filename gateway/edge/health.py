"""Liveness and readiness.

Ready means able to serve; what the gateway depends on is reported in `checks` but does not make it
unready, or an outage upstream would take every replica out at once.
"""

from collections.abc import Callable, Mapping

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from msgspec import Struct

from .answers import JSON, NO_STORE

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
async def healthz() -> Response[bytes]:
    """Answer while the process runs."""
    return _answer(Health())


@get("/readyz")
async def readyz(checks: NamedDependency[Checks]) -> Response[bytes]:
    """Answer with the state of each dependency."""
    states = {name: check() for name, check in checks.items()}
    return _answer(Readiness("ready", states))


def _answer(body: Health | Readiness) -> Response[bytes]:
    return Response(msgspec.json.encode(body), media_type=JSON, headers=NO_STORE)
