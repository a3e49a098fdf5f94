"""Thousands of clients that watch rooms: `python -m tests.bench.watchers`, a process of its own.

It takes `Watchers` as JSON on the first line of standard input, opens their streams, and prints
`Watched` as JSON: once when all are open, and again for each further line. A line `forget` begins
the counts anew, `leave` disconnects all, `reset` does so without a farewell. It ends with its
input.
"""

import asyncio
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import msgspec
from msgspec import Struct, field

from tests.bench.client import request
from tests.bench.load import allow_descriptors
from tests.commands import ROOT
from tests.leaks.canaries import CANARIES, token
from tests.live.counting_vendor import PUSH_TOKEN, STANDING

_OF_A_USER = 5
"""Streams that one user opens."""

_AT_ONCE = 200
_PATIENCE = 60.0
_EVENT = re.compile(rb"^event: (\w+)$", re.MULTILINE)
_RETRY = re.compile(rb"^retry: (\d+)\nevent: reconnect$", re.MULTILINE)
_HEAD = b"HTTP/1.1 200 "
_LAST_CHUNK = b"0\r\n\r\n"
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: no farewell, what is unsent is thrown away


class Watchers(Struct):
    """So many streams at a port, spread over so many rooms, numbered from `first`."""

    port: int
    streams: int
    rooms: int
    first: int = 0


class Watched(Struct):
    """What was seen since the last `forget`; times are seconds of the monotonic clock.

    - `events` counts those received by name; `first` and `last` are when one came.
    - `open` streams had a good head and no end; `ended` those that ended as HTTP wants it, `cut`
      those whose connection was lost before.
    - `retries` are the milliseconds in `reconnect`. `secrets` counts pieces with a secret in them.
    """

    open: int = 0
    ended: int = 0
    cut: int = 0
    refused: int = 0
    first: float = 0.0
    last: float = 0.0
    ended_at: float = 0.0
    secrets: int = 0
    events: dict[str, int] = field(default_factory=dict)
    retries: list[int] = field(default_factory=list)


class _Stream(asyncio.Protocol):
    """One stream; what it sees is added to `watched`."""

    def __init__(self, watched: Watched, asked: bytes) -> None:
        self.watched = watched
        self.began = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport
        self._asked = asked
        self._state = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._asked)

    def data_received(self, data: bytes) -> None:
        watched, now = self.watched, time.monotonic()
        if not self._state:
            good = data.startswith(_HEAD)
            self._state = "open" if good else "refused"
            watched.open += good
            watched.refused += not good
            if not self.began.done():
                self.began.set_result(None)
        for name in _EVENT.findall(data):
            event = name.decode()
            watched.events[event] = watched.events.get(event, 0) + 1
            watched.first = watched.first or now
            watched.last = now
        watched.retries += map(int, _RETRY.findall(data))
        watched.secrets += any(each in data for each in _SECRETS)
        if self._state == "open" and data.endswith(_LAST_CHUNK):
            self._end(now)
            watched.ended += 1
            self.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        if self._state == "open":
            self._end(time.monotonic())
            self.watched.cut += 1
        if not self.began.done():
            self.began.set_result(None)

    def _end(self, now: float) -> None:
        self._state = "ended"
        self.watched.open -= 1
        self.watched.ended_at = now


_SECRETS = [each.encode() for each in (*CANARIES.values(), PUSH_TOKEN)]


async def main() -> None:
    """Watch."""
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    wanted = msgspec.json.decode(await lines.readline(), type=Watchers)
    allow_descriptors(wanted.streams + 500)
    watched = Watched()
    streams: list[_Stream] = []
    for start in range(0, wanted.streams, _AT_ONCE):
        some = range(start, min(start + _AT_ONCE, wanted.streams))
        opened = [_Stream(watched, _asked(wanted, number)) for number in some]
        for each in opened:
            await loop.create_connection(partial(_same, each), "127.0.0.1", wanted.port)
        async with asyncio.timeout(_PATIENCE):
            await asyncio.gather(*(each.began for each in opened))
        streams += opened
    _tell(watched)
    while line := (await lines.readline()).strip():
        if line == b"forget":
            fresh = Watched(open=watched.open)
            for each in streams:
                each.watched = fresh
            watched = fresh
        elif line in {b"leave", b"reset"}:
            for each in streams:
                _drop(each.transport, reset=line == b"reset")
        await asyncio.sleep(0)
        _tell(watched)


def _same(stream: _Stream) -> _Stream:
    return stream


def _asked(wanted: Watchers, number: int) -> bytes:
    live_id = f"{STANDING}{wanted.first + number % wanted.rooms}"
    bearer = token(f"watcher-{wanted.first + number // _OF_A_USER}")
    return request("GET", f"/v1/rooms/{live_id}/events", bearer)


def _drop(transport: asyncio.Transport, *, reset: bool) -> None:
    if reset and (sock := transport.get_extra_info("socket")) is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def _tell(watched: Watched) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(watched) + b"\n")
    sys.stdout.buffer.flush()


class Watching:
    """Running watchers, whose streams are open."""

    def __init__(self, process: subprocess.Popen[bytes], wanted: Watchers) -> None:
        self._process = process
        self._say(msgspec.json.encode(wanted))

    def seen(self) -> Watched:
        """Return what they have seen since the last `forget`."""
        return self._say(b"report")

    def forget(self) -> None:
        """Count anew."""
        self._say(b"forget")

    def leave(self, *, reset: bool = False) -> None:
        """Disconnect all, or reset the connections."""
        self._say(b"reset" if reset else b"leave")

    def _say(self, line: bytes) -> Watched:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=Watched)


@contextmanager
def watching(wanted: Watchers, command: Sequence[str] = ()) -> Iterator[Watching]:
    """Run watchers until the block is left; `command` comes before theirs."""
    with subprocess.Popen(
        [*command, sys.executable, "-m", "tests.bench.watchers"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        try:
            yield Watching(process, wanted)
        finally:
            process.stdin.close()


if __name__ == "__main__":
    asyncio.run(main())
