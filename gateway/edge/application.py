"""The HTTP application: Litestar's routes inside the outer layer."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from litestar import Litestar, Request, Response, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp
from structlog.typing import FilteringBoundLogger

from gateway.rooms import GatewayError, RoomService

from .authentication import Authenticate, authentication
from .docs import docs_routes
from .front import Front, request_id_of
from .health import Checks, healthz, readyz
from .openapi import openapi_json
from .problems import render
from .routes import RoomController

AnyRequest = Request[object, object, State]
Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def build_application(
    rooms: RoomService,
    authenticate: Authenticate,
    *,
    checks: Checks,
    lifespan: Lifespan,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
    log: FilteringBoundLogger,
    access_log: bool,
) -> ASGIApp:
    """Return the ASGI application; `clock` gives the time with an offset."""
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
        exception_handlers={Exception: _problem_handler(log)},
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,
    )
    return Front(litestar, log=log, access_log=access_log, new_id=new_id)


def _problem_handler(
    log: FilteringBoundLogger,
) -> Callable[[AnyRequest, Exception], Response[bytes]]:
    def handle(request: AnyRequest, error: Exception) -> Response[bytes]:
        request_id = request_id_of(request.scope)
        if not isinstance(error, GatewayError | HTTPException):
            log.error("request_failed", request_id=request_id, exc_info=error)
        problem = render(error, request_id)
        return Response(problem.body, status_code=problem.status, headers=dict(problem.headers))

    return handle
