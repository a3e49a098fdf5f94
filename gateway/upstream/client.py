"""The vendor's four calls, typed: requests built, replies classified, failures logged.

A request carries the body the edge validated, the signature and `X-Reqid`, nothing else of the
client's. A room in a reply must be the one that was asked for.
"""

import logging
import re
from collections.abc import Callable
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

import httpx
from msgspec import Raw
from structlog.typing import FilteringBoundLogger

from gateway.rooms import (
    AnchorRoom,
    GatewayError,
    NewRoom,
    UpstreamFailure,
    UpstreamUnavailable,
)

from .dialects import Operation, accept, envelope_of, from_fault
from .faults import Fault
from .send import Send
from .signature import SignedRequest
from .wire import Envelope, decode_room_of, decode_this_room, encode_create

T = TypeVar("T")

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class QliveClient:
    """The upstream of `gateway.rooms`.

    `base_url` has no path; `zone` is the one in which the upstream reads times.
    """

    def __init__(
        self, send: Send, *, base_url: str, zone: ZoneInfo, log: FilteringBoundLogger
    ) -> None:
        self._send = send
        self._rooms_url = f"{base_url}/server/live"
        self._zone = zone
        self._log = log
        self.state = "untried"
        """How the last call went: `ok`, `failing` or `untried`."""

    async def create(self, room: NewRoom, request_id: str) -> AnchorRoom:
        """Create a room, sent at most once; what comes back must be the anchor's.

        Raises AnchorNotRegistered, UpstreamError or OutcomeUnknown.
        """
        request = SignedRequest(
            "POST",
            self._rooms_url,
            headers={"X-Reqid": request_id, "Content-Type": "application/json"},
            content=encode_create(room, self._zone),
        )
        return await self._call(Operation.CREATE, request, partial(decode_room_of, room.anchor_id))

    async def read(
        self, live_id: str, request_id: str, on_sent: Callable[[], None] | None = None
    ) -> AnchorRoom:
        """Read a room; `on_sent` is called when it is about to be sent.

        Raises RoomNotFound, UpstreamError or UpstreamTimeout.
        """
        request = self._bodiless("GET", live_id, request_id)
        if on_sent is not None:
            request.extensions["on_sent"] = on_sent
        return await self._call(Operation.READ, request, partial(decode_this_room, live_id))

    async def stop(self, live_id: str, request_id: str) -> None:
        """End a room. Raises RoomNotFound, RoomNotLive, UpstreamError or OutcomeUnknown."""
        request = self._bodiless("POST", f"{live_id}/stop", request_id)
        await self._call(Operation.STOP, request, _nothing)

    async def delete(self, live_id: str, request_id: str) -> None:
        """Delete a room. Raises RoomNotFound, UpstreamError or OutcomeUnknown."""
        request = self._bodiless("DELETE", live_id, request_id)
        await self._call(Operation.DELETE, request, _nothing)

    def _bodiless(self, method: str, path: str, request_id: str) -> httpx.Request:
        url = f"{self._rooms_url}/{path}"
        return SignedRequest(method, url, headers={"X-Reqid": request_id})

    async def _call(
        self, operation: Operation, request: httpx.Request, decode: Callable[[Raw], T]
    ) -> T:
        envelope: Envelope | None = None
        try:
            reply = await self._send(request)
            envelope = envelope_of(reply)
            result = decode(accept(operation, reply.status, envelope).data)
        except Fault as fault:
            _forget_frames(fault)
            raise self._failed(operation, from_fault(operation, fault), envelope) from fault
        except GatewayError as error:
            self._failed(operation, error, envelope)
            raise
        self.state = "ok"
        return result

    def _failed(
        self, operation: Operation, error: GatewayError, envelope: Envelope | None
    ) -> GatewayError:
        self.state = "failing" if isinstance(error, UpstreamFailure) else "ok"
        self._log.log(
            _severity(error),
            "upstream_call_failed",
            operation=operation.value,
            problem=error.code,
            reason=str(error),
            upstream_code=envelope and envelope.code,
            upstream_request_id=envelope and _id_in(envelope),
        )
        return error


def _forget_frames(fault: BaseException | None) -> None:
    """Drop the tracebacks of a fault and what caused it: their frames hold the fault in turn.

    Such circles wait for the garbage collector, which then stops everything for a tenth of a
    second. The log has the texts.
    """
    while fault is not None:
        fault.__traceback__ = None
        fault = fault.__cause__ or fault.__context__


def _id_in(envelope: Envelope) -> str | None:
    return envelope.request_id if _ID.fullmatch(envelope.request_id) else None


def _severity(error: GatewayError) -> int:
    if isinstance(error, UpstreamUnavailable):
        return logging.INFO  # one a request while the breaker is open, which has its own line
    return logging.WARNING if isinstance(error, UpstreamFailure) else logging.DEBUG


def _nothing(_: Raw) -> None:
    """Ignore the data of a call that has none."""
