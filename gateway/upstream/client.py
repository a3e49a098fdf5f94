"""The vendor's four calls, typed: requests built, replies classified, failures logged.

A request carries the body the edge validated, the signature and `X-Reqid`, nothing else of the
client's. A room in a reply must be the one that was asked for.
"""

import asyncio
import logging
import time
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
    is_request_id,
)
from gateway.telemetry import Metrics, UpstreamCall, current_request_id, note_call

from .dialects import CredentialsRefused, Operation, accept, envelope_of, from_fault
from .faults import Fault
from .send import Send
from .signature import SignedRequest
from .wire import Envelope, decode_room_of, decode_this_room, encode_create

T = TypeVar("T")


class QliveClient:
    """The upstream of `gateway.rooms`.

    `base_url` has no path; `zone` is the one in which the upstream reads times, `timer` counts
    seconds.
    """

    def __init__(
        self,
        send: Send,
        *,
        base_url: str,
        zone: ZoneInfo,
        log: FilteringBoundLogger,
        metrics: Metrics,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._send = send
        self._rooms_url = f"{base_url}/server/live"
        self._zone = zone
        self._log = log
        self._calls = metrics.upstream_calls
        self._duration = metrics.upstream_duration
        self._timer = timer
        self._refused = False
        self.state = "untried"
        """How the last call went: `ok`, `failing` or `untried`."""

    async def create(self, room: NewRoom) -> AnchorRoom:
        """Create a room, sent at most once; what comes back must be the anchor's.

        Raises AnchorNotRegistered, UpstreamError or OutcomeUnknown.
        """
        request = SignedRequest(
            "POST",
            self._rooms_url,
            headers={"X-Reqid": current_request_id(), "Content-Type": "application/json"},
            content=encode_create(room, self._zone),
        )
        return await self._call(Operation.CREATE, request, partial(decode_room_of, room.anchor_id))

    async def read(self, live_id: str, on_sent: Callable[[], None] | None = None) -> AnchorRoom:
        """Read a room; `on_sent` is called when it is about to be sent.

        Raises RoomNotFound, UpstreamError or UpstreamTimeout.
        """
        request = self._bodiless("GET", live_id)
        if on_sent is not None:
            request.extensions["on_sent"] = on_sent
        return await self._call(Operation.READ, request, partial(decode_this_room, live_id))

    async def stop(self, live_id: str) -> None:
        """End a room. Raises RoomNotFound, RoomNotLive, UpstreamError or OutcomeUnknown."""
        request = self._bodiless("POST", f"{live_id}/stop")
        await self._call(Operation.STOP, request, _nothing)

    async def delete(self, live_id: str) -> None:
        """Delete a room. Raises RoomNotFound, UpstreamError or OutcomeUnknown."""
        request = self._bodiless("DELETE", live_id)
        await self._call(Operation.DELETE, request, _nothing)

    def _bodiless(self, method: str, path: str) -> httpx.Request:
        url = f"{self._rooms_url}/{path}"
        return SignedRequest(method, url, headers={"X-Reqid": current_request_id()})

    async def _call(
        self, operation: Operation, request: httpx.Request, decode: Callable[[Raw], T]
    ) -> T:
        envelope: Envelope | None = None
        began = self._timer()
        try:
            reply = await self._send(request)
            envelope = envelope_of(reply)
            result = decode(accept(operation, reply.status, envelope).data)
        except Fault as fault:
            _forget_frames(fault)
            raise self._failed(
                operation, from_fault(operation, fault), envelope, request
            ) from fault
        except GatewayError as error:
            self._failed(operation, error, envelope, request)
            raise
        except asyncio.CancelledError:
            self._calls.inc(operation, "abandoned")
            raise
        else:
            self._calls.inc(operation, "ok")
            self._accepted()
            return result
        finally:
            self._duration.observe(self._timer() - began, operation)
            note_call(_told_by(envelope))

    def _accepted(self) -> None:
        self.state = "ok"
        if self._refused:
            self._refused = False
            self._log.info("credentials_accepted")

    def _failed(
        self,
        operation: Operation,
        error: GatewayError,
        envelope: Envelope | None,
        request: httpx.Request,
    ) -> GatewayError:
        refused = isinstance(error, CredentialsRefused)
        if isinstance(error, UpstreamFailure):
            self.state = "failing"
        else:
            self._accepted()
        if refused and not self._refused:
            self._refused = True
            self._log.error("credentials_refused", operation=operation.value)
        told = _told_by(envelope)
        self._log.log(
            _severity(error),
            "upstream_call_failed",
            request_id=request.headers["X-Reqid"],
            operation=operation.value,
            problem=error.code,
            reason=str(error),
            upstream_code=told.code,
            upstream_request_id=told.request_id,
        )
        self._calls.inc(operation, "credentials_refused" if refused else error.code)
        return error


def _forget_frames(fault: BaseException | None) -> None:
    """Drop the tracebacks of a fault and what caused it: their frames hold the fault in turn.

    Such circles wait for the garbage collector, which then stops everything for a tenth of a
    second. The log has the texts.
    """
    while fault is not None:
        fault.__traceback__ = None
        fault = fault.__cause__ or fault.__context__


def _told_by(envelope: Envelope | None) -> UpstreamCall:
    if envelope is None:
        return UpstreamCall(None, None)
    return UpstreamCall(envelope.code, _id_in(envelope))


def _id_in(envelope: Envelope) -> str | None:
    return envelope.request_id if is_request_id(envelope.request_id) else None


def _severity(error: GatewayError) -> int:
    if isinstance(error, UpstreamUnavailable):
        return logging.INFO  # one a request while the breaker is open, which has its own line
    return logging.WARNING if isinstance(error, UpstreamFailure) else logging.DEBUG


def _nothing(_: Raw) -> None:
    """Ignore the data of a call that has none."""
