"""Load: wrk for throughput; paced and simultaneous requests over plain sockets."""

import asyncio
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from .servers import LOAD_CORE, ROOM, Server

_DISTINCT = Path(__file__).parent / "distinct.lua"


class Rate(Struct, frozen=True):
    """Requests per second, and microseconds of processor time that a server spent on each."""

    requests: float
    microseconds: float


class Herd(Struct, frozen=True):
    """The result of many simultaneous readers: answers other than 200, and total seconds."""

    errors: int
    seconds: float


def costed(
    server: Server,
    pid: int,
    bearer: str,
    seconds: float,
    *,
    distinct: bool = False,
    headers: Sequence[str] = (),
) -> Rate:
    """Return what `throughput` does, with the time that process `pid` and its children used."""
    before, began = seconds_used(pid), time.perf_counter()
    rate = throughput(server, bearer, seconds, distinct=distinct, headers=headers)
    took = time.perf_counter() - began
    return Rate(rate, (seconds_used(pid) - before) / (rate * took) * 1e6)


def seconds_used(pid: int) -> float:
    """Return the processor time that a process and its children have used so far."""
    threads = list(Path(f"/proc/{pid}/task").iterdir())
    children = {each for one in threads for each in (one / "children").read_text().split()}
    spent = (int((one / "schedstat").read_text().split()[0]) for one in threads)  # nanoseconds
    return sum(spent) / 1e9 + sum(seconds_used(int(each)) for each in children)


def throughput(
    server: Server,
    bearer: str,
    seconds: float,
    *,
    distinct: bool = False,
    headers: Sequence[str] = (),
) -> float:
    """Return requests per second on 32 connections; `distinct` reads a new room each time."""
    given = (f"Authorization: Bearer {bearer}", *headers)
    printed = _wrk(server, seconds, connections=32, distinct=distinct, headers=given)
    broken = re.search(r"Socket errors: (?!connect 0, read 0, write 0,)", printed)
    if "Non-2xx" in printed or broken:
        sys.exit(f"{server.name} failed under load:\n{printed}")
    return _figure(r"Requests/sec:\s+([\d.]+)", printed)


def goodput(
    server: Server, bearer: str, seconds: float, *, connections: int, distinct: bool = False
) -> float:
    """Return good answers per second on so many connections, each waiting for its answers."""
    given = (f"Authorization: Bearer {bearer}",)
    printed = _wrk(server, seconds, connections=connections, distinct=distinct, headers=given)
    total = _figure(r"(\d+) requests in", printed)
    bad = _figure(r"Non-2xx or 3xx responses: (\d+)", printed) if "Non-2xx" in printed else 0
    return _figure(r"Requests/sec:\s+([\d.]+)", printed) * (1 - bad / max(1, total))


def _wrk(
    server: Server, seconds: float, *, connections: int, distinct: bool, headers: Sequence[str]
) -> str:
    wrk = shutil.which("wrk")
    if wrk is None:
        sys.exit("the benchmark needs wrk: on Debian, apt-get install wrk")
    command = ["taskset", "-c", LOAD_CORE, wrk, "-t1", f"-c{connections}"]
    command.append(f"-d{max(1, round(seconds))}s")
    for header in headers:
        command += ["-H", header]
    if distinct:
        command += ["-s", str(_DISTINCT)]
    done = subprocess.run([*command, server.url + ROOM], check=True, capture_output=True, text=True)
    return done.stdout


def _figure(pattern: str, printed: str) -> float:
    found = re.search(pattern, printed)
    if found is None:
        sys.exit(f"wrk printed no figure:\n{printed}")
    return float(found[1])


async def latencies(
    server: Server, path: str, bearer: str, *, rate: int, seconds: float
) -> list[float]:
    """Return the duration of each request in seconds, sent at a fixed `rate`.

    `path` ends in `{}`, replaced by a new number in each request.
    """
    connections: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(50):
        connections.put_nowait(await asyncio.open_connection("127.0.0.1", server.port))
    taken: list[float] = []
    started = asyncio.get_running_loop().time()

    async def one(number: int) -> None:
        connection = await connections.get()
        begun = time.perf_counter()
        status = await read_once(*connection, request_for(path.format(number), bearer))
        taken.append(time.perf_counter() - begun)
        connections.put_nowait(connection)
        if status != b"200":
            sys.exit(f"{server.name} answered {status!r}")

    requests = []
    for number in range(round(rate * seconds)):
        await asyncio.sleep(max(0, started + number / rate - asyncio.get_running_loop().time()))
        requests.append(asyncio.create_task(one(number)))
    await asyncio.gather(*requests)
    return taken


async def herd(server: Server, path: str, bearer: str, readers: int) -> Herd:
    """Open `readers` connections and request `path` on all of them at once."""
    connections = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(readers)]
    request = request_for(path, bearer)
    started = time.perf_counter()
    statuses = await asyncio.gather(*(read_once(*each, request) for each in connections))
    seconds = time.perf_counter() - started
    for _, writer in connections:
        writer.close()
    return Herd(sum(status != b"200" for status in statuses), seconds)


def allow_descriptors(count: int) -> None:
    """Raise the limit of this process, inherited by servers, to `count` sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        sys.exit(f"the limit of open files is {hard}; raise it to {count} with `ulimit -n`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def request_for(path: str, bearer: str) -> bytes:
    """Return the bytes of a read of `path`."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {bearer}\r\n\r\n"
    ).encode()


async def read_once(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> bytes:
    """Send one request; read its whole answer and return the status."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    await reader.readexactly(int(length[1]) if length else 0)
    return head.split(b" ", 2)[1]
