"""The HTTP application: Litestar's routes inside the outer layer."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from functools import partial

from litestar import Litestar, Request, Response, Router
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.types import ASGIApp

from gateway.rooms import Caller, RoomService

from .authentication import Authenticate, authentication
from .cookie import TokenCookie
from .cors import Cors
from .docs import docs_routes
from .fast_path import FastPath
from .front import Front
from .health import Checks, healthz, readiness, readyz
from .in_flight import InFlight
from .openapi import openapi_json
from .rate_limits import RateLimits
from .recorder import Recorder
from .routes import RoomController

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def build_application(  # noqa: PLR0913  # the wiring of all that stands behind HTTP
    rooms: RoomService,
    authenticate: Authenticate,
    recall_caller: Callable[[str], Caller | None],
    limits: RateLimits,
    *,
    cors: Cors | None,
    cookie: TokenCookie | None,
    in_flight: InFlight,
    checks: Checks,
    draining: asyncio.Event,
    lifespan: Lifespan,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
    recorder: Recorder,
) -> ASGIApp:
    """Return the ASGI application.

    `recall_caller` gives the caller of a token verified before; `clock` the time with an offset.
    `cors` and `cookie` are None where browsers get nothing of their own.
    """

    def clock_after_rooms(rooms: NamedDependency[RoomService]) -> Callable[[], datetime]:
        # For two dependencies at once the framework makes a task group, in which each request would
        # wait for a turn of the event loop: thousands that come together would all be in flight.
        del rooms
        return clock

    private = Router(
        "/",
        route_handlers=[RoomController],
        middleware=[authentication(authenticate, limits, cookie)],
    )
    litestar = Litestar(
        [private, healthz, readyz, *docs_routes(openapi_json())],
        dependencies={
            "rooms": Provide(lambda: rooms, sync_to_thread=False),
            "clock": Provide(clock_after_rooms, sync_to_thread=False),
            "draining": Provide(lambda: draining, sync_to_thread=False),
            "readiness": Provide(
                lambda: partial(readiness, checks, draining.is_set), sync_to_thread=False
            ),
        },
        exception_handlers={Exception: _leave_to_front},
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,
    )
    return Front(
        litestar,
        FastPath(rooms, recall_caller, limits, cookie),
        in_flight,
        recorder,
        cors=cors,
        new_id=new_id,
    )


def _leave_to_front(_: Request[object, object, State], error: Exception) -> Response[bytes]:
    raise error
