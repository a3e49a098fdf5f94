"""A fuzzer of both sides of the gateway: its clients and its upstream.

`python -m tests.live.fuzz --seconds 600 --seed 7` runs a real `gateway serve` and sends it odd
requests, one at a time, while two of five calls upstream get odd replies. It ends with 1 if a
promise was broken: nothing is answered with 500, nothing logs a traceback, and the worker lives on.
Nor does any request take the event loop's thread more than 50 ms of processor time, whatever else
the machine does meanwhile: for so long nobody else would be served.
"""

import asyncio
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import IO

import click

from tests.commands import GATEWAY, environment, free_port
from tests.live.chaos import listening, workers_of
from tests.live.fault_server import (
    Exchange,
    answering,
    enveloped,
    knows_everybody,
    reply,
    rooms,
    serving,
)
from tests.live.fuzz_inputs import CALLBACK_SECRET, Inputs
from tests.live.gateways import KEYS
from tests.live.viewers import viewer_at
from tests.waiting import until

BLOCKED = 0.05
"""Seconds of the event loop's processor time that no request may take, three times in a row."""

PATIENCE = 1.0
"""Seconds for an answer: some requests announce a body that never comes."""

SHOWN = 400
"""Bytes of a request that a report shows."""

_WRONG = re.compile(r"Traceback|panic|Fatal|Exception|exception|request_failed|RuntimeWarning")
_LENGTH = re.compile(rb"\r\ncontent-length: ([0-9]+)")
_INTERNAL = re.compile(rb"HTTP/1\.1 500 ")

SETTINGS = {
    **KEYS,
    "GATEWAY_WORKERS": "1",
    "GATEWAY_UPSTREAM_TIMEOUT": "0.15",
    "GATEWAY_UPSTREAM_LAG": "0",
    "GATEWAY_CACHE_TTL": "0",
    "GATEWAY_CACHE_STALE_WHILE_REVALIDATE": "0",
    "GATEWAY_CACHE_STALE_IF_ERROR": "0",
    "GATEWAY_JWT_COOKIE": "session",
    "GATEWAY_CALLBACK_SECRET": CALLBACK_SECRET,
    "GATEWAY_VENDOR_APP_ID": "app",
    "GATEWAY_CORS_ORIGINS": "https://app.example.test,https://*.example.test",
    "GATEWAY_TRUSTED_PROXIES": "127.0.0.1",
    "GATEWAY_RATE_LIMIT_READS": "off",
    "GATEWAY_RATE_LIMIT_WRITES": "off",
    "GATEWAY_RATE_LIMIT_FAILED_AUTH": "1000000/second",
    "GATEWAY_ACCESS_LOG": "on",
}


TOKEN = reply(enveloped({"access_token": "a-token-of-the-vendor", "expires_at": 2**33}))


@dataclass
class Outcome:
    """The answers by their first line, the broken promises, and the dearest requests."""

    answers: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    dearest: list[tuple[float, str]] = field(default_factory=list)
    plain: float = 0.0
    """Processor seconds of a plain read."""

    def spent(self, seconds: float, shown: str) -> None:
        """Keep the five dearest."""
        self.dearest = sorted([*self.dearest, (seconds, shown)], reverse=True)[:5]


class Upstream:
    """An upstream that answers two of five calls oddly: too few to open the breaker for long."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self._calls = 0
        self.last = b""
        self.repeats = False

    async def __call__(self, exchange: Exchange) -> None:
        """Answer a call."""
        self._calls += 1
        if exchange.target.startswith("/server/auth/token"):
            await exchange.write(TOKEN)
            return
        if self._calls % 5 not in {1, 3}:
            await (knows_everybody if exchange.user_ids else rooms)(exchange)
            return
        if not self.repeats:
            self.last = self._inputs.reply(exchange.live_id)
        await exchange.write(self.last)
        exchange.close()


async def fuzz(
    seed: int, *, seconds: float = inf, most: int = sys.maxsize, traces: bool
) -> Outcome:
    """Send `most` odd requests, or as many as `seconds` allow, and return what came of it."""
    result, inputs = Outcome(), Inputs(random.Random(seed))  # noqa: S311  # the same again
    upstream = Upstream(inputs)
    with tempfile.TemporaryFile("a+b") as log:  # appended to, wherever it is read
        async with (
            serving(upstream, scripts_users=True) as server,
            serving(answering(reply(b""))) as collector,
            gateway_process(
                log,
                GATEWAY_UPSTREAM_URL=server.url,
                OTEL_EXPORTER_OTLP_ENDPOINT=collector.url if traces else "",
            ) as (process, port),
        ):
            await until(lambda: bool(workers_of(process.pid)))
            (worker,) = workers_of(process.pid)
            result.plain = await plain_cost(port, worker)
            end = time.monotonic() + seconds
            while time.monotonic() < end and result.answers.total() < most:
                await ask(port, worker, inputs.request(), upstream, result)
                result.broken += told_by_log(log, upstream)
                server.received.clear()
                collector.received.clear()
            if workers_of(process.pid) != [worker]:
                result.broken.append("the worker was replaced")
            result.broken += [] if await serves(port) else ["a good read failed"]
        result.broken += told_by_log(log, upstream)
    if process.returncode != 0:
        result.broken.append(f"the gateway ended with {process.returncode}")
    return result


async def ask(port: int, worker: int, request: bytes, upstream: Upstream, result: Outcome) -> None:
    """Send a request, and note in `result` what came of it."""
    answer, spent = await measured(port, worker, request)
    result.answers[answer.partition(b"\r\n")[0].decode("latin-1") or "none"] += 1
    shown = f"{request[:SHOWN]!r}, last reply {upstream.last[:SHOWN]!r}"
    if _INTERNAL.search(answer):
        result.broken.append(f"500 for {shown}")
    upstream.repeats = True
    for _ in range(2 if spent > BLOCKED else 0):
        spent = min(spent, (await measured(port, worker, request))[1])
    upstream.repeats = False
    result.spent(spent, shown)


def told_by_log(log: IO[bytes], upstream: Upstream) -> list[str]:
    """Return what there is new in the log that must not be there."""
    found = _WRONG.search(log.read().decode(errors="replace"))
    return [f"logged: {found[0]}, last reply {upstream.last[:SHOWN]!r}"] if found else []


async def measured(port: int, worker: int, request: bytes) -> tuple[bytes, float]:
    """Return the answer to a request, and the processor time that it took the event loop."""
    before = processor_time(worker)
    answer = await answer_to(port, request)
    return answer, processor_time(worker) - before


async def answer_to(port: int, request: bytes) -> bytes:
    """Return the answer, or what there is of one when the connection or anyone's patience ends."""
    received = b""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(PATIENCE):
            while not is_whole(received, request) and (more := await reader.read(65536)):
                received += more
    except (OSError, TimeoutError):
        pass  # nothing more comes
    finally:
        writer.transport.abort()
    return received


def is_whole(answer: bytes, request: bytes) -> bool:
    """Return True once `answer` has the length that it announces."""
    head, end, body = answer.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    none = request.startswith(b"HEAD ") or head[9:12] in {b"204", b"304"}
    return bool(end) and (none or (length is not None and len(body) >= int(length[1])))


async def plain_cost(port: int, worker: int) -> float:
    """Return the mean processor time of a plain read."""
    async with viewer_at(port) as viewer:
        await viewer.get("/v1/rooms/1")
        before = processor_time(worker)
        for _ in range(20):
            await viewer.get("/v1/rooms/1")
    return (processor_time(worker) - before) / 20


async def serves(port: int) -> bool:
    """Return True if a probe is answered."""
    async with viewer_at(port) as viewer:
        return (await viewer.get("/healthz")).status == 200


def processor_time(process: int) -> float:
    """Return the seconds that the main thread of a process has run: the event loop's."""
    return int(Path(f"/proc/{process}/task/{process}/schedstat").read_text().split()[0]) / 1e9


@asynccontextmanager
async def gateway_process(
    log: IO[bytes], **environ: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Run `gateway serve` until the block is left."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(*GATEWAY, "serve"),
        env=environment(**{**SETTINGS, **environ, "GATEWAY_PORT": str(port)}),
        stdout=log,
        stderr=log,
    )
    try:
        await listening(port)
        yield process, port
    finally:
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), 20)


@click.command()
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--traces/--no-traces", default=False, show_default=True)
def main(seconds: float, seed: int, *, traces: bool) -> None:
    """Run the fuzzer and print what came of it."""
    result = asyncio.run(fuzz(seed, seconds=seconds, traces=traces))
    for answer, count in result.answers.most_common():
        click.echo(f"{count:8} {answer}")
    click.echo(f"{result.plain * 1000:8.2f} ms of processor time for a plain read")
    for spent, shown in result.dearest:
        click.echo(f"{spent * 1000:8.2f} ms {'BLOCKED' if spent > BLOCKED else ''} for {shown}")
    for promise in result.broken[:20]:
        click.echo(f"BROKEN: {promise}")
    blocked = any(spent > BLOCKED for spent, _ in result.dearest)
    sys.exit(1 if result.broken or blocked else 0)


if __name__ == "__main__":
    main()
