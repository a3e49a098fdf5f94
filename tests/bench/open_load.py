"""Open load: requests leave on a schedule, independent of answers.

A client that waits for answers slows down with the server and hides overload. Here each arrival
takes a free connection. An arrival without one is counted, and not as a request to the server. One
core is enough for some 15,000 requests a second.
"""

import asyncio
import re
import time
from collections import Counter, deque
from typing import cast

import uvloop
from msgspec import Struct, field

from .servers import ROOM, Server

_TICK = 0.001
_CODE = re.compile(rb'"code":"(\w+)"')
_LENGTH = b"content-length: "
_PATIENCE = 4.0
"""Seconds for the last answers, more than any timeout of the gateway."""


class Outcome(Struct):
    """The results of the arrivals between the ramp and the end; durations in seconds.

    `refused` are 503s, by code in `refusals`. `others` are other statuses than 200, 0 for a
    connection that ended. `late` is the delay of arrivals behind their schedule.
    """

    seconds: float
    arrivals: int = 0
    starved: int = 0
    good: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    others: Counter[int] = field(default_factory=Counter)
    late: list[float] = field(default_factory=list)


def open_load(
    server: Server, bearer: str, *, rate: float, seconds: float, ramp: float, lanes: int
) -> Outcome:
    """Read `rate` new rooms a second, `ramp` seconds unmeasured and then `seconds` measured."""
    return uvloop.run(_Load(server, bearer, rate, Outcome(seconds), ramp).run(lanes))


class _Load:
    def __init__(
        self, server: Server, bearer: str, rate: float, outcome: Outcome, ramp: float
    ) -> None:
        self._server = server
        head, tail = f"GET {ROOM}x", f" HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {bearer}"
        self._head, self._tail = head.encode(), f"{tail}\r\n\r\n".encode()
        self._rate = rate
        self._outcome = outcome
        self._ramp = ramp
        self._began = 0.0
        self._asked = 0
        self._lanes: set[_Lane] = set()
        self._free: deque[_Lane] = deque()  # in turn, as idle connections are closed

    async def run(self, lanes: int) -> Outcome:
        """Open the connections, keep to the schedule, wait for the last answers."""
        for _ in range(lanes):
            self._free.append(await self._lane())
        self._lanes.update(self._free)
        self._began = time.perf_counter()
        ends = self._began + self._ramp + self._outcome.seconds
        while (now := time.perf_counter()) < ends:
            self._catch_up(now)
            await asyncio.sleep(_TICK)
        for _ in range(round(_PATIENCE / _TICK)):
            if len(self._free) == len(self._lanes):
                break
            await asyncio.sleep(_TICK)
        lanes_left, self._lanes = self._lanes, set()
        for lane in lanes_left:
            lane.close()
        return self._outcome

    def landed(self, lane: "_Lane", asked: float, status: int, body: bytes) -> None:
        """Record an answer and free its connection."""
        self._free.append(lane)
        if not self._measured(asked):
            return
        taken = time.perf_counter() - asked
        if status == 200:
            self._outcome.good.append(taken)
        elif status == 503:
            code = _CODE.search(body)
            self._outcome.refused.append(taken)
            self._outcome.refusals[code[1].decode() if code else "?"] += 1
        else:
            self._outcome.others[status] += 1

    def lost(self, lane: "_Lane", asked: float | None) -> None:
        """Count a request whose connection ended, and drop the connection."""
        if lane in self._lanes:
            self._lanes.remove(lane)
            if asked is None:
                self._free.remove(lane)
            elif self._measured(asked):
                self._outcome.others[0] += 1

    def _catch_up(self, now: float) -> None:
        due = int((now - self._began) * self._rate)
        for number in range(self._asked, due):
            measured = self._measured(now)
            self._outcome.arrivals += measured
            if not self._free:
                self._outcome.starved += measured
                continue
            if measured:
                self._outcome.late.append(now - self._began - number / self._rate)
            self._free.popleft().ask(b"%b%d%b" % (self._head, number, self._tail))
        self._asked = max(due, self._asked)

    def _measured(self, asked: float) -> bool:
        since = asked - self._began
        return self._ramp <= since < self._ramp + self._outcome.seconds

    async def _lane(self) -> "_Lane":
        loop = asyncio.get_running_loop()
        _, lane = await loop.create_connection(lambda: _Lane(self), "127.0.0.1", self._server.port)
        return lane


class _Lane(asyncio.Protocol):
    """A connection with one request on it at a time."""

    __slots__ = ("_asked", "_got", "_load", "_transport")

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._got = b""
        self._asked: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has another type

    def ask(self, request: bytes) -> None:
        self._asked = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found or self._asked is None or len(body) < _length(head):
            return
        asked, self._asked, self._got = self._asked, None, b""
        self._load.landed(self, asked, int(head[9:12]), body)

    def connection_lost(self, _: Exception | None) -> None:
        self._load.lost(self, self._asked)

    def close(self) -> None:
        self._asked = None
        self._transport.abort()


def _length(head: bytes) -> int:
    start = head.lower().find(_LENGTH)
    return int(head[start + len(_LENGTH) :].split(b"\r", 1)[0]) if start >= 0 else 0
