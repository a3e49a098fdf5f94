"""Chaos: faults, clients that leave and killed workers at once; then all must be well again soon.

`python -m tests.live.chaos --seconds 60` runs a real `gateway serve` with two workers and ends
with 1 if a promise was broken: nobody receives another room's bytes or a secret, no create is sent
twice, nothing is answered but what the contract lists, and within 5 s of the end 100 of 100 reads
are fine.
"""

import asyncio
import itertools
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

import click

from tests.commands import CRASH, GATEWAY, environment, free_port, is_open
from tests.live.chaos_traffic import Client, Outcome, Weather
from tests.live.fault_server import rooms, serving
from tests.live.gateways import ALICE, KEYS, SECRETS, token
from tests.live.viewers import viewer_at

CLIENTS = 32
WORKERS = 2
GOOD_READS, WITHIN = 100, 5.0
ANSWERED = 60.0
"""Seconds after which everyone must have an answer, on the slowest machine."""

SETTINGS = {
    **KEYS,
    "GATEWAY_WORKERS": str(WORKERS),
    "GATEWAY_REDIS_URL": "none",
    "GATEWAY_UPSTREAM_TIMEOUT": "0.5",
    "GATEWAY_UPSTREAM_CONNECTIONS": "16",
    "GATEWAY_CACHE_TTL": "0.2",
    "GATEWAY_RATE_LIMIT_READS": "off",
    "GATEWAY_RATE_LIMIT_WRITES": "off",
    "GATEWAY_ACCESS_LOG": "off",
    "GATEWAY_METRICS_PORT": "0",
}


async def chaos(seconds: float, seed: int, within: float = WITHIN) -> Outcome:
    """Run it all for so long; the gateway is a process, upstream and clients are in this loop.

    Afterwards all must be well `within` so many seconds.
    """
    result, chance = Outcome(), random.Random(seed)  # noqa: S311  # the same chaos again
    weather = Weather(chance)
    with tempfile.TemporaryFile() as log:
        async with serving(weather) as server, gateway_process(server.url, log) as (process, port):
            end = time.monotonic() + seconds
            clients = [Client(port, chance, result) for _ in range(CLIENTS)]
            async with asyncio.timeout(seconds + ANSWERED), asyncio.TaskGroup() as everyone:
                everyone.create_task(kill_workers(process.pid, result, end, chance))
                for client in clients:
                    everyone.create_task(keep_visiting(client, end))
            server.script = rooms
            result.healed = await seconds_until_well(port, within)
        if process.returncode != 0:
            result.broken.append(f"the gateway ended with {process.returncode}")
        result.broken += told_by_log(log)
    if max(weather.creates.values(), default=0) > 1:
        result.broken.append("a create was sent twice")
    if result.healed is None:
        result.broken.append(f"{GOOD_READS} of {GOOD_READS} reads were not fine in {within:g} s")
    return result


async def keep_visiting(client: Client, end: float) -> None:
    """Visit again and again until `end`."""
    while time.monotonic() < end:
        await client.visit()


async def kill_workers(supervisor: int, result: Outcome, end: float, chance: random.Random) -> None:
    """Kill one worker every few seconds, at least one in all."""
    while (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(left / 2, chance.uniform(2, 8)))
        if workers := workers_of(supervisor):
            os.kill(chance.choice(workers), signal.SIGKILL)
            result.killed += 1
        if left < 2:
            return


def workers_of(supervisor: int) -> list[int]:
    """Return the process ids of a gateway's workers."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [int(each) for each in children if b"tracker" not in _command_line(each)]


def _command_line(process: str) -> bytes:
    return Path(f"/proc/{process}/cmdline").read_bytes()


async def seconds_until_well(port: int, within: float) -> float | None:
    """Return how long it took until all of 100 reads at once were fine; None for too long."""
    began = time.monotonic()
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            for attempt in itertools.count():
                reads = (read_one(port, f"good-{attempt}-{number}") for number in range(GOOD_READS))
                if all(await asyncio.gather(*reads)):
                    return time.monotonic() - began
    return None


async def read_one(port: int, live_id: str) -> bool:
    """Return True if a read on a new connection gives the room."""
    try:
        async with viewer_at(port) as viewer:
            answer = await viewer.get(f"/v1/rooms/{live_id}", token(live_id))
    except (OSError, asyncio.IncompleteReadError):
        return False
    return answer.status == 200 and json.loads(answer.body)["live_id"] == live_id


@asynccontextmanager
async def gateway_process(
    upstream_url: str, log: IO[bytes]
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Run `gateway serve` until the block is left."""
    port = free_port()
    settings = {**SETTINGS, "GATEWAY_UPSTREAM_URL": upstream_url, "GATEWAY_PORT": str(port)}
    process = await asyncio.create_subprocess_exec(
        *GATEWAY, "serve", env=environment(**settings), stdout=log, stderr=log
    )
    try:
        await listening(port)
        yield process, port
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 20)


async def listening(port: int) -> None:
    """Wait until something listens there."""
    for _ in range(200):
        if is_open(port):
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


def told_by_log(log: IO[bytes]) -> list[str]:
    """Return what a gateway's output has in it that must not be there."""
    log.seek(0)
    text = log.read().decode()
    any_token = ALICE.partition(".")[0]  # all tokens begin so
    secrets = [each for each in (*SECRETS, any_token) if each in text]
    crash = CRASH.search(text)
    return ["a secret was logged"] * bool(secrets) + ([f"logged: {crash[0]}"] if crash else [])


@click.command()
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(seconds: float, seed: int) -> None:
    """Run the chaos and print what came of it."""
    result = asyncio.run(chaos(seconds, seed))
    for outcome, count in result.answers.most_common():
        click.echo(f"{count:8} {outcome}")
    click.echo(f"{result.killed:8} workers killed")
    healed = "never" if result.healed is None else f"{result.healed:.2f} s"
    click.echo(f"{GOOD_READS} of {GOOD_READS} reads fine after: {healed}")
    for promise, count in Counter(result.broken).most_common():
        click.echo(f"BROKEN {count} times: {promise}")
    sys.exit(1 if result.broken else 0)


if __name__ == "__main__":
    main()
