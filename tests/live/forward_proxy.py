"""A forward proxy: tunnels for CONNECT, forwards requests with absolute targets."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from urllib.parse import urlsplit

_END = b"\r\n\r\n"

Head = tuple[str, str, bytes]
"""Method, target, and the header lines."""


class ForwardProxy:
    """Keeps the heads that it got; `refuse` returns the answer to a head that it refuses."""

    def __init__(self) -> None:
        self.heads: list[Head] = []
        self.refuse: Callable[[Head], bytes] = lambda _: b""
        self.url = ""
        self.tasks: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        with closing(writer), suppress(OSError, asyncio.IncompleteReadError):
            while True:
                line, _, rest = (await reader.readuntil(_END)).partition(b"\r\n")
                method, target, _ = line.decode().split(" ")
                self.heads.append((method, target, rest))
                if refusal := self.refuse(self.heads[-1]):
                    writer.write(refusal)
                    break
                if method == "CONNECT":
                    await _tunnel(target, reader, writer)
                    break
                body = await reader.readexactly(_length(rest))
                writer.write(await _forwarded(method, target, rest + body))


def _length(headers: bytes) -> int:
    found = re.search(rb"content-length: *(\d+)", headers, re.IGNORECASE)
    return int(found[1]) if found else 0


async def _tunnel(target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    port = int(target.rpartition(":")[2])
    there_reader, there = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    with closing(there):
        await asyncio.gather(_copy(reader, there), _copy(there_reader, writer))


async def _forwarded(method: str, target: str, rest: bytes) -> bytes:
    url = urlsplit(target)
    reader, writer = await asyncio.open_connection("127.0.0.1", url.port)
    path = url.path + (f"?{url.query}" if url.query else "")
    writer.write(f"{method} {path} HTTP/1.1\r\n".encode() + rest)
    head = await reader.readuntil(_END)
    body = await reader.readexactly(_length(head))
    writer.close()
    return head + body


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def proxying() -> AsyncIterator[ForwardProxy]:
    """Run a proxy on a free port."""
    proxy = ForwardProxy()
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield proxy
        server.close()
        for each in proxy.tasks:
            each.cancel()
        await asyncio.gather(*proxy.tasks, return_exceptions=True)
