"""A supervised server without a gateway, for what workers may do wrong.

    python -m tests.live.small_server PORT WORKERS [FAULT…]

Faults: `no-process=N`, the first N forks fail; `crash=SLOT`, the worker in that slot crashes as it
starts, and `crash=all` every one; `silence=SECONDS`, a worker without a heartbeat for that time
counts as blocked; `settled=SECONDS`, one that ends later than that is replaced at once.

`GET /block` blocks the worker for ever.
"""

import asyncio
import errno
import logging
import os
import sys
import time
from typing import Any

from gateway import serving
from gateway.serving import supervision
from gateway.telemetry import SharedMetrics

GRACE = 1.0


def main(port: int, workers: int, *faults: str) -> None:
    """Serve until a signal."""
    fault = dict(each.split("=") for each in faults)
    forks_fail(int(fault.get("no-process", 0)))
    supervision.SILENCE = float(fault.get("silence", supervision.SILENCE))
    supervision.SETTLED = float(fault.get("settled", supervision.SETTLED))
    slots = [SharedMetrics(()) for _ in range(workers * serving.SLOTS_PER_WORKER)]

    def load(slot: int, _: asyncio.Event) -> serving.Application:
        if fault.get("crash") in {str(slot), "all"}:
            raise SystemExit("no worker can be made of this")
        return application(slots[slot])

    with serving.bind(serving.LOOPBACK, port) as reserved:
        serving.serve(
            load,
            reserved,
            slots,
            workers=workers,
            replaced=lambda slot, reason: say(f"replaced: {reason} in {slot}"),
            delay=0.8,
            grace=GRACE,
            keepalive=75,
            log=logging.StreamHandler(sys.stdout),
        )


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def forks_fail(times: int) -> None:
    """Let so many forks fail."""
    fork = os.fork
    left = iter(range(times))

    def failing() -> int:
        if next(left, None) is not None:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return fork()

    os.fork = failing


def application(shared: SharedMetrics) -> serving.Application:
    """Return an application that sends heartbeats and answers with its process id."""

    async def beating() -> None:
        while True:
            shared.beat(time.monotonic())
            await asyncio.sleep(0.05)

    async def lifespan(receive: Any, send: Any) -> None:
        task = asyncio.create_task(beating())
        for stage in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{stage}.complete"})
        task.cancel()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        if scope["path"] == "/block":
            say("blocked")
            while True:
                time.sleep(0.1)  # noqa: ASYNC251  # it is to block
        body = str(os.getpid()).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
