"""A probe: one signed read, to show an operator that the upstream accepts this configuration.

It asks for a room that cannot exist. An upstream that says so has accepted the signature.
"""

import time
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime

from msgspec import Struct

from gateway.rooms import GatewayError, RoomNotFound
from gateway.upstream import Call, Fault, Operation, Send, accept, deadline_in

_PROBE_ID = "gateway-check"


class Probe(Struct, frozen=True):
    """The upstream's answer: `problem` is None if it accepted the signature.

    `latency` is in seconds. `clock_skew` is this clock minus the upstream's `Date`, in whole
    seconds, None without one.
    """

    problem: str | None
    latency: float
    clock_skew: int | None = None


async def probe(
    send: Send,
    timeout: float,  # noqa: ASYNC109  # a deadline for all of it, connecting included
    *,
    timer: Callable[[], float] = time.perf_counter,
    clock: Callable[[], float] = time.time,
) -> Probe:
    """Read a room that does not exist, through `send`, within `timeout` seconds."""
    call = Call("GET", f"/server/live/{_PROBE_ID}", deadline_in(timeout), _PROBE_ID)
    started = timer()
    try:
        reply = await send(call)
    except Fault as fault:
        return Probe(f"no reply: {fault}", timer() - started)
    latency = timer() - started
    skew = _skew(reply.headers.get("Date"), clock())
    try:
        accept(Operation.READ, reply)
    except RoomNotFound:
        return Probe(None, latency, skew)
    except (GatewayError, Fault) as error:
        return Probe(str(error), latency, skew)
    return Probe(None, latency, skew)


def _skew(date: str | None, now: float) -> int | None:
    try:
        upstream: datetime | None = parsedate_to_datetime(date) if date else None
    except (ValueError, OverflowError):
        return None
    return None if upstream is None else round(now - upstream.timestamp())
