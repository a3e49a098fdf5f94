"""A probe: one signed read, to show an operator that the upstream accepts this configuration.

It asks for a room that cannot exist. An upstream that says so has accepted the signature, unless
its database is down: some builds then say the same.
"""

import time
from collections.abc import Callable

from msgspec import Struct

from gateway.rooms import GatewayError, RoomNotFound
from gateway.upstream import (
    Call,
    Fault,
    Operation,
    Reply,
    Send,
    accept,
    database_is_up,
    deadline_in,
    skew_of,
)

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
    deadline = deadline_in(timeout)
    started = timer()
    try:
        reply = await send(Call("GET", f"/server/live/{_PROBE_ID}", deadline, _PROBE_ID))
        latency = timer() - started
        problem = await _problem(reply, send, deadline)
    except Fault as fault:
        return Probe(f"no reply: {fault}", timer() - started)
    return Probe(problem, latency, skew_of(reply.headers.get("date"), clock()))


async def _problem(reply: Reply, send: Send, deadline: float) -> str | None:
    if reply.says_failed and not await database_is_up(send, deadline, _PROBE_ID):
        return "the upstream's database is down"
    try:
        accept(Operation.READ, reply)
    except RoomNotFound:
        return None
    except GatewayError as error:
        return str(error)
    return None
