"""The handlers of the room routes: read the request, ask the domain, answer."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from litestar import Request
from litestar.datastructures import State
from litestar.params import FromPath
from msgspec import Struct

from gateway.media_type import parse_media_type
from gateway.rooms import (
    Caller,
    FieldProblem,
    InvalidRequest,
    RoomService,
    is_idempotency_key,
)

from . import answers
from .answers import Answer, Header
from .batch import batch_in, checked
from .bodies import parse_create_room
from .exchange import exchange_of
from .incoming import incoming_of
from .problems import UnsupportedMediaType

ClientRequest = Request[Caller, None, State]


class RoomHandlers(Struct, frozen=True):
    """Answers requests for rooms; each needs an authenticated caller.

    Clients know their paths below `root_path`.
    """

    rooms: RoomService
    clock: Callable[[], datetime]
    root_path: str

    async def options(self, request: ClientRequest) -> Answer:
        """Name the methods of a path; Litestar's own handler names those of one handler only."""
        template = request.scope["path_template"]
        routes = [each for each in request.app.routes if each.path_format == template]
        return answers.allowing(*routes[0].methods)

    async def create(self, request: ClientRequest) -> Answer:
        """Create a room, once for each `Idempotency-Key`, unless its client has left."""
        require_json(list(request.scope["headers"]))
        key = idempotency_key_in(request.scope["headers"])
        now = self.clock()
        body = parse_create_room(await request.body(), now)
        new_room = body.new_room(request.user)
        async with incoming_of(request.scope).watched() as require_client:
            creation = await self.rooms.create(
                request.user, new_room, now=now, key=key, on_sent=require_client
            )
        exchange_of(request.scope).replayed = creation.replayed
        return answers.created(creation, self.root_path)

    async def read(self, request: ClientRequest, live_id: FromPath[str]) -> Answer:
        """Return a room in the caller's shape."""
        room = await self.rooms.get(request.user, checked(live_id))
        answer = answers.found(room, answers.condition_in(request.scope["headers"]))
        exchange_of(request.scope).cache = answer.cache
        return answer

    async def read_batch(self, request: ClientRequest) -> Answer:
        """Return several rooms in viewer shape."""
        live_ids = batch_in(request.scope["query_string"])
        rooms = await self.rooms.get_batch(request.user, live_ids)
        return answers.batch(rooms, answers.condition_in(request.scope["headers"]))

    async def stop(self, request: ClientRequest, live_id: FromPath[str]) -> Answer:
        """End a room's broadcast."""
        await self.rooms.stop(request.user, checked(live_id))
        return answers.done()

    async def delete(self, request: ClientRequest, live_id: FromPath[str]) -> Answer:
        """Delete a room."""
        await self.rooms.delete(request.user, checked(live_id))
        return answers.done()


def idempotency_key_in(headers: Iterable[Header]) -> str | None:
    """Return the key in raw request headers; raise InvalidRequest for a bad one or several."""
    given = [value.decode("latin-1") for name, value in headers if name == b"idempotency-key"]
    if not given:
        return None
    if len(given) > 1 or not is_idempotency_key(given[0]):
        problem = "give one, of 1 to 128 visible ASCII characters"
        raise InvalidRequest(FieldProblem("Idempotency-Key", problem))
    return given[0]


def require_json(headers: Sequence[Header]) -> None:
    """Raise UnsupportedMediaType unless raw `headers` declare one body of plain JSON in UTF-8."""
    types = [value.decode("latin-1") for name, value in headers if name == b"content-type"]
    codings = [value for name, value in headers if name == b"content-encoding"]
    declared = parse_media_type(types[0]) if len(types) == 1 else None
    is_json = declared is not None and declared.essence == "application/json" and declared.is_utf8
    if not is_json or codings not in ([], [b"identity"]):
        raise UnsupportedMediaType
