"""Thousands of clients that send a byte now and then, as a program of its own.

It reads kinds of clients as JSON from standard input, connects all of them and prints their number.
When the server has closed every connection, or after a while, it prints a report.
"""

import asyncio
import resource
import sys
import time
from collections.abc import Sequence

import msgspec
from msgspec import Struct

_AT_ONCE = 100
"""Connections made at once, so that none waits for its SYN to be sent again."""

_TURNS = 10
"""Turns a second in which clients write: a tenth of them in each."""

_PATIENCE = 60.0
"""Seconds until it gives up on the rest, far above any promise."""


class Kind(Struct):
    """So many clients that send `opening` and then one byte of `drip` a second, over and over."""

    name: str
    opening: str
    drip: str = ""
    count: int = 1


class Fate(Struct):
    """The seconds of a connection and the bytes received on it; `cut` by the server."""

    seconds: float
    reply: str
    cut: bool


class Report(Struct):
    """The fates by kind, and how many seconds late this program was in each of its turns."""

    fates: dict[str, list[Fate]]
    late: list[float]


class _Client(asyncio.Protocol):
    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._begun = time.monotonic()
        self._ended = 0.0
        self._received = b""
        self._sent = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._begun = time.monotonic()
        transport.write(self.kind.opening.encode())

    def data_received(self, data: bytes) -> None:
        self._received += data

    def connection_lost(self, _: Exception | None) -> None:
        self._ended = time.monotonic()

    async def connect(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, "127.0.0.1", port)

    @property
    def cut(self) -> bool:
        return bool(self._ended)

    def drip(self) -> None:
        if self.kind.drip and not self.cut:
            self._transport.write(self.kind.drip[self._sent % len(self.kind.drip)].encode())
            self._sent += 1

    def fate(self) -> Fate:
        ended = self._ended or time.monotonic()
        return Fate(ended - self._begun, self._received.decode(), self.cut)


async def _connected(kinds: Sequence[Kind], port: int) -> list[_Client]:
    clients = [_Client(kind) for kind in kinds for _ in range(kind.count)]
    for first in range(0, len(clients), _AT_ONCE):
        group = clients[first : first + _AT_ONCE]
        await asyncio.gather(*(each.connect(port) for each in group))
    return clients


async def _main(port: int) -> None:
    kinds = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Kind])
    clients = await _connected(kinds, port)
    print(sum(not each.cut for each in clients), flush=True)  # noqa: T201  # for the test
    began = time.monotonic()
    late: list[float] = []
    while time.monotonic() - began < _PATIENCE and not all(each.cut for each in clients):
        turn = time.monotonic()
        for each in clients[len(late) % _TURNS :: _TURNS]:
            each.drip()
        await asyncio.sleep(1 / _TURNS)
        late.append(time.monotonic() - turn - 1 / _TURNS)
    fates = {kind.name: [each.fate() for each in clients if each.kind is kind] for kind in kinds}
    sys.stdout.buffer.write(msgspec.json.encode(Report(fates, late)))


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(_main(int(sys.argv[1])))
