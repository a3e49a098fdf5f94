"""The HTTP application: Litestar's routes inside the outer layer."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from litestar import Litestar, Request, Response, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import ASGIApp
from structlog.typing import FilteringBoundLogger

from gateway.rooms import Caller, RoomService

from .authentication import Authenticate, authentication
from .docs import docs_routes
from .fast_path import FastPath
from .front import Front
from .health import Checks, healthz, readyz
from .openapi import openapi_json
from .routes import RoomController

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def build_application(
    rooms: RoomService,
    authenticate: Authenticate,
    recall_caller: Callable[[str], Caller | None],
    *,
    checks: Checks,
    lifespan: Lifespan,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
    log: FilteringBoundLogger,
    access_log: bool,
) -> ASGIApp:
    """Return the ASGI application.

    `recall_caller` gives the caller of a token verified before; `clock` the time with an offset.
    """
    private = Router(
        "/", route_handlers=[RoomController], middleware=[authentication(authenticate)]
    )
    litestar = Litestar(
        [private, healthz, readyz, *docs_routes(openapi_json())],
        dependencies={
            "rooms": Provide(lambda: rooms, sync_to_thread=False),
            "clock": Provide(lambda: clock, sync_to_thread=False),
            "checks": Provide(lambda: checks, sync_to_thread=False),
        },
        exception_handlers={Exception: _leave_to_front},
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,
    )
    fast_path = FastPath(rooms, recall_caller)
    return Front(litestar, fast_path, log=log, access_log=access_log, new_id=new_id)


def _leave_to_front(_: Request[object, object, State], error: Exception) -> Response[bytes]:
    raise error
