"""The handlers of going live, and of the list of living rooms."""

from litestar import Request
from litestar.datastructures import State
from litestar.params import FromPath
from msgspec import Struct

from gateway.rooms import Caller, Heartbeats, LivePages, Starts

from . import answers
from .answers import Answer
from .batch import checked
from .exchange import exchange_of
from .paging import page_in

ClientRequest = Request[Caller, None, State]


class LiveHandlers(Struct, frozen=True):
    """Answers requests to go live and for living rooms; each needs an authenticated caller."""

    starts: Starts
    heartbeats: Heartbeats
    pages: LivePages

    async def start(self, request: ClientRequest, live_id: FromPath[str]) -> Answer:
        """Let a room go live."""
        await self.starts.start(request.user, checked(live_id))
        return answers.done()

    async def heartbeat(self, request: ClientRequest, live_id: FromPath[str]) -> Answer:
        """Keep a living room so."""
        await self.heartbeats.beat(request.user, checked(live_id))
        return answers.done()

    async def living(self, request: ClientRequest) -> Answer:
        """Return a page of living rooms in viewer shape."""
        number, size = page_in(request.scope["query_string"])
        page = await self.pages.get(number, size, request.user.user_id)
        answer = answers.found(page, answers.condition_in(request.scope["headers"]))
        exchange_of(request.scope).cache = answer.cache
        return answer
