"""The HTTP application: Litestar's routes inside the outer layer."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from litestar import Litestar, Request, Response, Router
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from gateway.events import EventStreams
from gateway.rooms import Hint, RoomMemory, RoomService, Session
from gateway.secret import Secret

from .authentication import Authenticate, authentication
from .callback_handlers import CallbackHandlers
from .cookie import TokenCookie
from .cors import Cors
from .docs import DocsHandlers
from .event_handlers import EventHandlers
from .fast_path import FastPath
from .front import Front
from .health import Checks, HealthHandlers
from .in_flight import InFlight
from .live_handlers import LiveHandlers
from .openapi import openapi_json
from .operations import bound
from .outgoing import Outgoing
from .paths import DOCS, OPENAPI
from .protected_resource import ProtectedResource
from .rate_limits import RateLimits
from .recorder import Recorder
from .room_handlers import RoomHandlers
from .routes import (
    CALLBACK_ROUTES,
    DOCS_ROUTES,
    EVENT_ROUTES,
    HEALTH_ROUTES,
    LIVE_ROUTES,
    RESOURCE_ROUTES,
    ROOM_ROUTES,
)
from .token_refusals import TokenRefusals


def build_application(  # noqa: PLR0913  # the wiring of everything behind HTTP
    rooms: RoomService,
    authenticate: Authenticate,
    limits: RateLimits,
    *,
    memory: RoomMemory,
    recall: Callable[[bytes], Session | None],
    count_recalled: Callable[[], None],
    cors: Cors | None,
    cookie: TokenCookie | None,
    refusals: TokenRefusals,
    resource: ProtectedResource | None,
    live: LiveHandlers | None,
    hints: Callable[[Hint], None],
    callback_secret: Secret | None,
    root_path: str,
    docs: bool,
    trial_tokens: Mapping[str, str],
    in_flight: InFlight,
    streams: EventStreams,
    checks: Checks,
    draining: asyncio.Event,
    lifespan: Callable[[Litestar], AbstractAsyncContextManager[None]],
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
    recorder: Recorder,
    console: Sequence[HTTPRouteHandler],
) -> ASGIApp:
    """Return the ASGI application.

    `recall` gives the session of a token verified before, `clock` the time with an offset.
    `cors` and `cookie` are None unless browsers are served, `resource` is without an issuer, `live`
    unless rooms go live here. The vendor's callbacks go to `hints`, if the vendor has a
    `callback_secret`.
    Clients know all paths below `root_path`. `docs` are the pages for people; they offer
    `trial_tokens`, by user, which are empty but in the sandbox. `console` are the routes of the
    sandbox's own page; in production there are none.
    """
    documents = {"docs": DOCS, "openapi": OPENAPI} if docs else {}
    private = Router(
        "/",
        route_handlers=[
            *bound(ROOM_ROUTES, RoomHandlers(rooms, clock, root_path)),
            *(bound(LIVE_ROUTES, live) if live else ()),
            *bound(EVENT_ROUTES, EventHandlers(streams)),
        ],
        middleware=[authentication(authenticate, limits, cookie, refusals)],
    )
    callbacks = callback_secret and CallbackHandlers(callback_secret, hints, limits, refusals)
    pages = DocsHandlers(openapi_json(root_path), root_path, trial_tokens) if docs else None
    litestar = Litestar(
        [
            private,
            *bound(HEALTH_ROUTES, HealthHandlers(checks, draining.is_set, root_path, documents)),
            *(bound(CALLBACK_ROUTES, callbacks) if callbacks else ()),
            *(bound(RESOURCE_ROUTES, resource) if resource else ()),
            *(bound(DOCS_ROUTES, pages) if pages else ()),
            *console,
        ],
        exception_handlers={Exception: _leave_to_front},
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,
    )
    fast_path = FastPath(memory, rooms, recall, count_recalled, limits, cookie)
    return Front(
        litestar,
        fast_path,
        in_flight,
        Outgoing(),
        recorder,
        cors=cors,
        resource=resource,
        new_id=new_id,
        hit=fast_path.hit,
    )


def _leave_to_front(_: Request[object, object, State], error: Exception) -> Response[bytes]:
    raise error
