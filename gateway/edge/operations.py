"""Routes as rows of a table, each with its documentation.

A row names its handler unbound, so the OpenAPI document needs no running service. `bound` gives
the handlers their object, with all that they need.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from types import MethodType
from typing import Any

from litestar.handlers import HTTPRouteHandler
from litestar.types import Method
from msgspec import Struct

from gateway.rooms import GatewayError

from .paths import as_route

Handler = Callable[..., Awaitable[object]]
"""A method that returns an `Answer`, or a response of Litestar's to stream."""


class Example(Struct, frozen=True):
    """A body as an example; its type gives the schema."""

    name: str
    summary: str
    value: Struct


class EventsExample(Struct, frozen=True):
    """A stream of events as text; `data` has a field for each event, with the type of its data."""

    summary: str
    text: str
    data: type[Struct]


class Reply(Struct, frozen=True):
    """A response other than a problem; `links` name operations on the room in it."""

    status: int
    description: str
    examples: tuple[Example, ...] = ()
    headers: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    events: EventsExample | None = None


class Parameter(Struct, frozen=True, omit_defaults=True, rename={"place": "in"}):
    """A parameter, with the field names of OpenAPI."""

    name: str
    place: str
    description: str
    schema: Mapping[str, Any]
    example: Any = None
    required: bool = False


class Route(Struct, frozen=True):
    """A row; the document leaves out a route without an `operation`, the id of it.

    `errors` are those its handler can raise, beside those of every route. `replayed` are those it
    may tell again, with the header `Idempotency-Replayed`. A `public` route needs no token and has
    no rate limit; it may have a `security` scheme of its own.
    """

    method: Method
    path: str
    handler: Handler
    operation: str = ""
    summary: str = ""
    replies: tuple[Reply, ...] = ()
    errors: tuple[type[GatewayError], ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: Example | None = None
    replayed: tuple[type[GatewayError], ...] = ()
    description: str = ""
    public: bool = False
    security: str = ""


def bound(routes: tuple[Route, ...], owner: object) -> list[HTTPRouteHandler]:
    """Return Litestar's handlers for `routes`, with their methods bound to `owner`."""
    return [
        # The status is for Litestar, whose defaults may forbid a body; each answer has its own.
        HTTPRouteHandler(as_route(route.path), http_method=route.method, status_code=200)(
            _function(MethodType(route.handler, owner))
        )
        for route in routes
    ]


def _function(method: Handler) -> Handler:
    """Return `method` as a function; Litestar would deep-copy a bound method with its object."""

    @wraps(method)
    async def handler(**arguments: object) -> object:
        return await method(**arguments)

    return handler
