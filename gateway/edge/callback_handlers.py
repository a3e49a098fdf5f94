"""The vendor's callbacks: who sends one, and the ids of rooms in it.

The vendor signs nothing. The credentials in the URL that it calls are all there is, so nothing of a
callback is believed but the ids. The rest of its body, which may have a `push_url`, is never made
into a value. Each callback of the vendor's is answered at once and alike, whatever it tells.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated

import msgspec
from litestar import Request
from litestar.datastructures import State
from msgspec import Meta, Raw, Struct

from gateway.callback_url import credentials
from gateway.rooms import (
    FieldProblem,
    Hint,
    InvalidRequest,
    is_live_id,
    is_request_id,
)
from gateway.secret import Secret

from . import answers
from .answers import NO_STORE, Answer, Header
from .exchange import exchange_of
from .problems import VendorUnknown
from .rate_limits import RateLimits
from .room_handlers import require_json
from .token_refusals import TokenRefusals

_CREATED = "live_created"
_OF_ROOMS = re.compile("live_(created|started|stopped|deleted)|pk_[a-z_]{1,32}")
"""The types of callbacks about rooms. One build writes dashes in place of underscores."""

_Id = str | Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""The vendor's ids are numbers, as text in all builds that were seen."""


class _Event(Struct, frozen=True):
    type: str
    body: Raw = Raw(b"null")


class _Ids(Struct, frozen=True):
    """The ids of rooms in the body of an event; all else is skipped."""

    live_id: _Id = ""
    init_room_id: _Id = ""
    recv_room_id: _Id = ""


class Taken(Struct, frozen=True):
    """The answer that the vendor expects."""

    code: Annotated[int, Meta(description="Always 0.")] = 0


_event = msgspec.json.Decoder(_Event).decode
_ids = msgspec.json.Decoder(_Ids).decode


class CallbackHandlers:
    """Takes callbacks from a vendor that has `secret`, and passes them on to `hints`.

    Others are refused as users with a bad token are.
    """

    def __init__(
        self,
        secret: Secret,
        hints: Callable[[Hint], None],
        limits: RateLimits,
        refusals: TokenRefusals,
    ) -> None:
        self._credentials = credentials(secret)
        self._hints = hints
        self._limits = limits
        self._refusals = refusals

    async def qlive(self, request: Request[None, None, State]) -> Answer:
        """Take a callback. Raises VendorUnknown, RateLimited or InvalidRequest."""
        scope = request.scope
        headers, exchange = list(scope["headers"]), exchange_of(scope)
        if not self._is_vendor(headers):
            error = VendorUnknown()
            self._refusals.record(error, scope, exchange)
            await self._limits.count_failure(scope, exchange)
            raise error
        require_json(headers)
        self._hints(hint_in(await request.body(), headers))
        return answers.json(Taken(), NO_STORE)

    def _is_vendor(self, headers: Iterable[Header]) -> bool:
        """Compare the credentials in constant time, as they are encoded: no parser sees others'."""
        given = [value for name, value in headers if name == b"authorization"]
        scheme, _, sent = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        is_same = Secret(sent.strip(b" ").decode("latin-1")) == self._credentials
        return is_same and scheme.lower() == b"basic"


def hint_in(body: bytes, headers: Iterable[Header]) -> Hint:
    """Return the hint in a callback, an empty one if it tells of no room that can be read.

    Raises InvalidRequest unless `body` is a JSON object with a type.
    """
    try:
        event = _event(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        event = None
    if event is None:  # outside of `except`: an error in there would quote the body in its context
        raise InvalidRequest(FieldProblem("body", "must be a JSON object with a `type`"))
    kind = event.type.replace("-", "_")
    live_ids = tuple(dict.fromkeys(_live_ids(event.body))) if _OF_ROOMS.fullmatch(kind) else ()
    return Hint(live_ids, _request_id(headers) if kind == _CREATED else None)


def _live_ids(body: Raw) -> Iterator[str]:
    try:
        sent = _ids(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    for each in (sent.live_id, sent.init_room_id, sent.recv_room_id):
        if is_live_id(str(each)):
            yield str(each)


def _request_id(headers: Iterable[Header]) -> str | None:
    """Return the id of the request that caused a callback; None unless there is one good one."""
    given = [value.decode("latin-1") for name, value in headers if name == b"x-reqid"]
    return given[0] if len(given) == 1 and is_request_id(given[0]) else None
