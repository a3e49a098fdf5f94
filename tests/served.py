"""`gateway serve` as real processes, for tests of their life and their end."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import jwt

from tests import clients
from tests.commands import CRASH, GATEWAY, SECRET, VALID, environment, free_port
from tests.waiting import LIMIT, eventually

NOWHERE = "http://127.0.0.1:9"
"""An upstream that refuses connections."""

QUIET = {
    "GATEWAY_ACCESS_LOG": "off",
    "GATEWAY_RATE_LIMIT_READS": "off",
    "GATEWAY_RATE_LIMIT_WRITES": "off",
    "GATEWAY_RATE_LIMIT_FAILED_AUTH": "off",
}


@dataclass(frozen=True)
class Served:
    """A gateway on `port` of loopback; `process` is the supervisor of its workers."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    def workers(self) -> list[int]:
        """Return the process ids of its workers."""
        pid = self.process.pid
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def listeners(self) -> int:
        """Return how many of its workers accept connections."""
        local, listens = f"0100007F:{self.port:04X}", "0A"
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        inodes = [int(line[9]) for line in lines if (line[1], line[3]) == (local, listens)]
        return sum(_polls(worker, inodes) for worker in self.workers())

    def is_connected_to(self, client: socket.socket) -> bool:
        """Return True while one of its workers has the other side of this connection."""
        sides = f"0100007F:{self.port:04X} 0100007F:{client.getsockname()[1]:04X} "
        return any(sides in line for line in Path("/proc/net/tcp").read_text().splitlines())

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT)

    def readiness(self) -> tuple[int, str]:
        """Return status and word of /readyz on a new connection; 0 for no connection."""
        try:
            answer = clients.get(f"{self.url}/readyz")
        except httpx.TransportError:
            return 0, ""
        return answer.status_code, answer.json()["status"]

    def signal_group(self, how: signal.Signals) -> None:
        """Send a signal to all its processes, as a terminal does, and systemd."""
        os.killpg(self.process.pid, how)

    def ended(self) -> tuple[int, str]:
        """Return the exit code and the output of a gateway that ends without a crash."""
        output, errors = self.process.communicate(timeout=LIMIT)
        assert not CRASH.search(output + errors), output + errors
        return self.process.returncode, output + errors

    def stop(self) -> str:
        """End it without a lead time, with 0; return the output."""
        self.process.send_signal(signal.SIGINT)
        code, output = self.ended()
        assert code == 0, output
        return output


@contextmanager
def launched(
    upstream_url: str = NOWHERE, *, descriptors: int | None = None, **environ: str
) -> Iterator[Served]:
    """Start a gateway in a process group of its own, with quiet settings.

    `descriptors` limits its number of them; `environ` are further settings without their prefix.
    """
    port = free_port()
    settings = {f"GATEWAY_{name}": value for name, value in environ.items()}
    bounded = ["/bin/sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh"]
    with subprocess.Popen(  # noqa: S603  # our own command
        [*(bounded if descriptors else ()), *GATEWAY, "serve"],
        env=environment(
            **{
                **VALID,
                **QUIET,
                "GATEWAY_UPSTREAM_URL": upstream_url,
                "GATEWAY_PORT": str(port),
                **settings,
            }
        ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield Served(process, port)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def served(
    upstream_url: str = NOWHERE, *, descriptors: int | None = None, **environ: str
) -> Iterator[Served]:
    """Start a gateway like `launched`, and wait until all its workers are ready."""
    with launched(upstream_url, descriptors=descriptors, **environ) as gateway:
        workers = int(environ.get("WORKERS", "1"))
        eventually(lambda: gateway.listeners() == workers)
        yield gateway


def _polls(process: int, inodes: list[int]) -> bool:
    """Return True if an epoll of this process has one of the sockets."""
    entry = re.compile(rf"^tfd:.* ino:({'|'.join(map('{:x}'.format, inodes))}) ", re.MULTILINE)
    with suppress(OSError):  # it ended meanwhile
        for epoll in Path(f"/proc/{process}/fdinfo").iterdir():
            with suppress(FileNotFoundError):
                if entry.search(epoll.read_text()):
                    return True
    return False


def token(user_id: str) -> str:
    """Return a token that these gateways accept."""
    return jwt.encode({"sub": user_id, "exp": time.time() + 600}, SECRET, algorithm="HS256")
