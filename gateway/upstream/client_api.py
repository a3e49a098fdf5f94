"""The vendor's client API: the calls that are made in a user's name, with a client token.

A token opens everything, see SECURITY, so these calls are made here and nowhere else. A token that
is refused is asked for once more, and the call made again: the vendor did nothing before.

The vendor forgets who is in a room after 20 seconds without a heartbeat, and takes heartbeats only
from those who are in it. The gateway's come a minute apart, so the anchor joins the room again
where the vendor refuses one. That does not begin the room anew, as another start would.

The list of living rooms is read in the name of a user of the gateway's own. The vendor makes this
user with their first token; users of apps are not made by looking at a list.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import msgspec
from msgspec import Raw, Struct
from structlog.typing import FilteringBoundLogger

from gateway.rooms import LivePage, UpstreamFailure
from gateway.secret import Secret
from gateway.telemetry import current_request_id

from .call import Call
from .client import QliveClient, nothing
from .dialects import NotInRoom, Operation, VendorTokenRefused
from .faults import Broken
from .live_list import ask_for_page, decode_listing
from .vendor_tokens import LIFETIME, VendorToken, VendorTokens, ask_for_token, decode_token

T = TypeVar("T")

READER: Final = "live-room-gateway"
"""The id of the user in whose name the list is read."""

_ROOMS = "/client/live/room"


class QliveClientApi:
    """The `Broadcasts` of `gateway.rooms`, over the calls of `server`.

    `skew` gives this clock minus the upstream's, in seconds. `clock` is monotonic, and `now` gives
    epoch seconds.
    """

    def __init__(
        self,
        server: QliveClient,
        app_id: str,
        *,
        skew: Callable[[], float],
        log: FilteringBoundLogger,
        clock: Callable[[], float],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._server = server
        self._app_id = app_id
        self._skew = skew
        self._log = log
        self._now = now
        self._tokens = VendorTokens(self._ask, clock=clock, vendors_now=self._vendors_now)

    async def start(self, live_id: str, anchor_id: str) -> None:
        """Let a room go live; one that is living begins anew.

        Raises RoomNotFound, RoomEnded, NotRoomAnchor, UpstreamFailure, or OutcomeUnknown.
        """
        call = partial(self._server.new_call, "PUT", f"{_ROOMS}/{live_id}")
        await self._make(anchor_id, Operation.START, call, nothing)

    async def heartbeat(self, live_id: str, anchor_id: str) -> int:
        """Keep a living room so, and return its `live_status`.

        Raises RoomNotFound, RoomNotLive or UpstreamFailure.
        """
        beat = partial(self._server.new_call, "GET", f"{_ROOMS}/heartbeat/{live_id}")
        try:
            return await self._make(anchor_id, Operation.HEARTBEAT, beat, _live_status)
        except NotInRoom:
            join = partial(self._server.new_call, "POST", f"{_ROOMS}/user/{live_id}")
            await self._make(anchor_id, Operation.JOIN, join, nothing)
            return await self._make(anchor_id, Operation.HEARTBEAT, beat, _live_status)

    async def living(self, page: int, size: int, on_sent: Callable[[], None]) -> LivePage:
        """Read a page of the living rooms; `on_sent` is called when the read is about to be sent.

        Raises UpstreamFailure.
        """

        def new_call() -> Call:
            call = self._server.new_call("GET", ask_for_page(page, size))
            call.for_write = False
            call.on_sent = on_sent
            return call

        decode = partial(decode_listing, page, size)
        listing = await self._make(READER, Operation.LIST, new_call, decode)
        for each in listing.rooms:
            self._server.note(each.room.live_id, each.repaired, each.repeated)
        if listing.unreadable:
            self._log.warning(
                "live_rooms_unreadable", request_id=current_request_id(), count=listing.unreadable
            )
        return listing.as_page(page)

    async def aclose(self) -> None:
        """Wait for the calls for tokens in flight."""
        await self._tokens.aclose()

    async def _make(
        self,
        user_id: str,
        operation: Operation,
        new_call: Callable[[], Call],
        decode: Callable[[Raw], T],
    ) -> T:
        """Make a call in a user's name, again with another token if the first is refused."""
        token = await self._token(user_id)
        with_token = partial(self._with_token, operation, new_call, decode)
        try:
            return await with_token(token)
        except VendorTokenRefused:
            self._tokens.drop(user_id, token)
        return await with_token(await self._token(user_id))

    async def _with_token(
        self,
        operation: Operation,
        new_call: Callable[[], Call],
        decode: Callable[[Raw], T],
        token: Secret,
    ) -> T:
        call = new_call()
        call.token = token
        return await self._server.make(operation, call, decode)

    async def _token(self, user_id: str) -> Secret:
        """Return a user's token. Raises UpstreamFailure with `sent` False."""
        try:
            return await self._tokens.of(user_id)
        except UpstreamFailure as error:
            error.sent = False
            raise

    async def _ask(self, user_id: str, on_sent: Callable[[], None]) -> VendorToken:
        expires_at = int(self._vendors_now()) + LIFETIME
        path = ask_for_token(self._app_id, user_id, expires_at)
        call = self._server.new_call("GET", path)
        call.on_sent = on_sent
        return await self._server.make(Operation.TOKEN, call, decode_token)

    def _vendors_now(self) -> float:
        return self._now() - self._skew()


class _BeatData(Struct, frozen=True):
    live_status: int


_beats = msgspec.json.Decoder(_BeatData)


def _live_status(data: Raw) -> int:
    try:
        return _beats.decode(data).live_status
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Broken("the reply to a heartbeat cannot be read") from None
