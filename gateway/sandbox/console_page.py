"""`/console`: a page that shows what each of the sandbox's users may see and do.

Only the sandbox hands these routes to its gateway; in production they do not exist. The files are
in `console/`; `client.js` among them is built by `openapi/typescript`.

`/console/users` has the users' tokens. A page of another origin cannot read it, and one whose name
is made to point to this machine (DNS rebinding) is refused by the `Host` that it sends.
"""

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Struct

from gateway.edge import (
    NO_STORE,
    POLICY,
    Answer,
    Document,
    NotFound,
    PublicRequest,
    Route,
    bound,
    is_local,
    json,
)

PATH: Final = "/console"
"""The page's path."""

_MEDIA_TYPES = MappingProxyType({".css": b"text/css", ".js": b"text/javascript"})
_REVALIDATE = (b"cache-control", b"no-cache")
_PARTS = files(__package__) / "console"


class User(Struct, frozen=True):
    """A user of the sandbox, signed in."""

    id: str
    token: str


class Users(Struct, frozen=True):
    """The users that the page shows side by side."""

    users: tuple[User, ...]


class ConsoleHandlers:
    """Serves the page to the users of `tokens`."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._users = Users(tuple(User(*each) for each in tokens.items()))
        policy = (b"content-security-policy", POLICY)
        html = _PARTS.joinpath("index.html").read_bytes()
        self._page = Document(b"text/html; charset=utf-8", html, _REVALIDATE, policy)
        self._files = {
            part.name: Document(media_type, part.read_bytes(), _REVALIDATE)
            for part in _PARTS.iterdir()
            for suffix, media_type in _MEDIA_TYPES.items()
            if part.name.endswith(suffix)
        }

    async def page(self, request: PublicRequest) -> Answer:
        """Return the page."""
        return self._page.answer(request)

    async def file(self, request: PublicRequest, name: FromPath[str]) -> Answer:
        """Return a file of the page; raise NotFound for any other."""
        if name not in self._files:
            raise NotFound
        return self._files[name].answer(request)

    async def users(self, request: PublicRequest) -> Answer:
        """Return the users with their tokens; raise NotFound for a name that is not loopback's."""
        if not is_local(request):
            raise NotFound
        return json(self._users, NO_STORE)


_ROUTES = (
    Route("GET", PATH, ConsoleHandlers.page),
    Route("GET", f"{PATH}/users", ConsoleHandlers.users),
    Route("GET", f"{PATH}/{{name}}", ConsoleHandlers.file),
)


def console_routes(tokens: Mapping[str, str]) -> list[HTTPRouteHandler]:
    """Return the routes of the page, for the users of `tokens`."""
    return bound(_ROUTES, ConsoleHandlers(tokens))
