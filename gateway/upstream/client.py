"""The vendor's calls, typed: calls built, replies classified, failures logged.

A call carries the body that the edge validated and the request id, nothing else of the client's; a
create has a request id of the gateway's own instead, because the vendor's callback is known by it.
A room in a reply must be the one that was asked for. Repaired fields, and those that repeated its
`push_url`, are logged by name.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from msgspec import Raw
from structlog.typing import FilteringBoundLogger

from gateway.rooms import (
    AnchorNotRegistered,
    AnchorRoom,
    ClientGone,
    GatewayError,
    NewRoom,
    UpstreamError,
    UpstreamFailure,
    UpstreamUnavailable,
    is_request_id,
)
from gateway.telemetry import Counter, Histogram, UpstreamCall, current_request_id, note_call

from .call import Call, Send, deadline_in
from .dialects import (
    WRITES,
    AlreadyRegistered,
    CredentialsRefused,
    Operation,
    UpstreamBusy,
    VendorTokenRefused,
    accept,
)
from .faults import Fault
from .users import LONGEST, REGISTER, decode_user_ids, encode_registration, look_up
from .wire import DecodedRoom, Envelope, decode_room_of, decode_this_room, encode_create

T = TypeVar("T")

_ROOMS = "/server/live"


class QliveClient:
    """The upstream of `gateway.rooms`.

    A call ends within `timeout` seconds; `timer` counts seconds. `zone` is the upstream's. `saw`
    gets the path of each room that was created.
    """

    def __init__(
        self,
        send: Send,
        *,
        timeout: float,
        zone: ZoneInfo,
        log: FilteringBoundLogger,
        calls: Counter,
        duration: Histogram,
        repeats: Counter,
        saw: Callable[[str], None] = lambda _: None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._send = send
        self._timeout = timeout
        self._zone = zone
        self._log = log
        self._calls = calls
        self._duration = duration
        self._repeats = repeats
        self._saw = saw
        self._timer = timer
        self._refused = False
        self.state = "untried"
        """The outcome of the last call: `ok`, `failing` or `untried`."""

    async def create(
        self, room: NewRoom, request_id: str, on_sent: Callable[[], None] | None = None
    ) -> AnchorRoom:
        """Create a room, sent at most once; the room in the reply must be the anchor's.

        It is sent with this request id, and not with that of the client's request.
        `on_sent` is called when the create is about to be sent; if it raises, nothing is sent.
        Raises AnchorNotRegistered, UpstreamError or OutcomeUnknown.
        """
        call = self.new_call("POST", _ROOMS)
        call.request_id = request_id
        call.body = encode_create(room, self._zone)
        call.on_sent = on_sent
        decode = partial(decode_room_of, room.anchor_id)
        made = self._noted(await self.make(Operation.CREATE, call, decode))
        self._saw(f"{_ROOMS}/{made.live_id}")
        return made

    async def read(
        self,
        live_id: str,
        on_sent: Callable[[], None] | None = None,
        *,
        for_write: bool = False,
    ) -> AnchorRoom:
        """Read a room; `on_sent` is called when the read is about to be sent.

        Raises RoomNotFound, UpstreamError or UpstreamTimeout.
        """
        call = self.new_call("GET", f"{_ROOMS}/{live_id}")
        call.on_sent = on_sent
        call.for_write = for_write
        decode = partial(decode_this_room, live_id)
        return self._noted(await self.make(Operation.READ, call, decode))

    async def stop(self, live_id: str) -> None:
        """End a room. Raises RoomNotFound, RoomNotLive, UpstreamError or OutcomeUnknown."""
        call = self.new_call("POST", f"{_ROOMS}/{live_id}/stop")
        await self.make(Operation.STOP, call, nothing)

    async def delete(self, live_id: str) -> None:
        """Delete a room. Raises RoomNotFound, UpstreamError or OutcomeUnknown."""
        call = self.new_call("DELETE", f"{_ROOMS}/{live_id}")
        await self.make(Operation.DELETE, call, nothing)

    async def find_user(self, user_id: str) -> str | None:
        """Return the id of the upstream's user with exactly this id, or None.

        Raises UpstreamError or UpstreamTimeout.
        """
        return user_id if user_id in await self._user_ids(user_id) else None

    async def register(self, user_id: str, nick: str, avatar: str) -> None:
        """Make a user, or find it made already.

        Raises AnchorNotRegistered if only another spelling of the id is there or the id is too
        long, UpstreamError or UpstreamTimeout.
        """
        if len(user_id) > LONGEST:
            raise AnchorNotRegistered("the user id is too long to be registered")
        call = self.new_call("POST", REGISTER)
        call.body = encode_registration(user_id, nick, avatar)
        try:
            await self.make(Operation.REGISTER, call, nothing)
        except (AlreadyRegistered, UpstreamError) as error:
            spellings = await self._user_ids(user_id)
            if spellings and user_id not in spellings:
                raise AnchorNotRegistered from error
            if not spellings and isinstance(error, UpstreamError):
                raise

    async def _user_ids(self, user_id: str) -> list[str]:
        call = self.new_call("GET", look_up(user_id))
        return await self.make(Operation.FIND_USER, call, decode_user_ids)

    def new_call(self, method: str, path: str) -> Call:
        """Return a call of a write, as all are but reads of rooms and of their list."""
        deadline = deadline_in(self._timeout)
        return Call(method, path, deadline, current_request_id(), for_write=True)

    async def make(self, operation: Operation, call: Call, decode: Callable[[Raw], T]) -> T:
        """Make a call, and return what `decode` makes of the data in its reply.

        Raises what the reply or the lack of one means, see `dialects` and `faults`.
        """
        envelope: Envelope | None = None
        began = self._timer()
        try:
            reply = await self._send(call)
            envelope = reply.envelope
            result = decode(accept(operation, reply).data)
        except Fault as fault:
            _forget_frames(fault)
            raise self._failed(operation, _meaning(fault, operation), call, envelope) from fault
        except GatewayError as error:
            self._failed(operation, error, call, envelope)
            raise
        except (asyncio.CancelledError, ClientGone):
            self._calls.inc(operation, "abandoned")
            raise
        else:
            self._calls.inc(operation, "ok")
            self._accepted()
            return result
        finally:
            self._duration.observe(self._timer() - began, operation)
            note_call(_as_call(call, envelope))

    def note(self, live_id: str, repaired: Sequence[str], repeated: Sequence[str]) -> None:
        """Log a room's odd fields by name, never by value."""
        request_id = current_request_id()
        if repaired:
            self._log.warning(
                "room_repaired", request_id=request_id, live_id=live_id, fields=repaired
            )
        if repeated:
            self._repeats.inc()
            self._log.error(
                "push_url_repeated", request_id=request_id, live_id=live_id, fields=repeated
            )

    def _noted(self, decoded: DecodedRoom) -> AnchorRoom:
        self.note(decoded.room.live_id, decoded.repaired, decoded.repeated)
        return decoded.room

    def _accepted(self) -> None:
        self.state = "ok"
        if self._refused:
            self._refused = False
            self._log.info("credentials_accepted")

    def _failed(
        self, operation: Operation, error: GatewayError, call: Call, envelope: Envelope | None
    ) -> GatewayError:
        refused = isinstance(error, CredentialsRefused)
        if isinstance(error, UpstreamFailure):
            self.state = "failing"
        else:
            self._accepted()
        if refused and not self._refused:
            self._refused = True
            self._log.error("credentials_refused", operation=operation.value)
        noted = _as_call(call, envelope)
        self._log.log(
            _severity(error),
            "upstream_call_failed",
            request_id=current_request_id(),
            operation=operation.value,
            problem=error.code,
            reason=str(error),
            upstream_code=noted.code,
            upstream_request_id=noted.request_id,
        )
        self._calls.inc(operation, _outcome(error))
        return error


def _meaning(fault: Fault, operation: Operation) -> UpstreamFailure:
    """Return the error for `fault`; a variable for it in the caller would be a reference cycle."""
    return fault.as_write_error() if operation in WRITES else fault.as_read_error()


def _forget_frames(fault: BaseException | None) -> None:
    """Drop the tracebacks of a fault and its causes: their frames hold the fault in turn.

    Reference cycles are freed only by the garbage collector, and it then stops everything for a
    tenth of a second. The log has the texts.
    """
    while fault is not None:
        fault.__traceback__ = None
        fault = fault.__cause__ or fault.__context__


def _outcome(error: GatewayError) -> str:
    if isinstance(error, CredentialsRefused):
        return "credentials_refused"
    return "token_refused" if isinstance(error, VendorTokenRefused) else error.code


def _as_call(call: Call, envelope: Envelope | None) -> UpstreamCall:
    """Return what is known of a call; without a reply a request id of its own, as a create has."""
    own = None if call.request_id == current_request_id() else call.request_id
    if envelope is None:
        return UpstreamCall(None, own)
    request_id = envelope.request_id if is_request_id(envelope.request_id) else own
    return UpstreamCall(envelope.code, request_id)


def _severity(error: GatewayError) -> int:
    if isinstance(error, UpstreamUnavailable) and not isinstance(error, UpstreamBusy):
        return logging.INFO  # one a request while the breaker is open; the breaker has its own line
    return logging.WARNING if isinstance(error, UpstreamFailure) else logging.DEBUG


def nothing(_: Raw) -> None:
    """Ignore the data of a call without any."""
