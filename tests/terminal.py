"""A terminal for a command: its screen, and the keys that people press."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.commands import CRASH, GATEWAY, environment
from tests.waiting import LIMIT

SEQUENCE = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[=>()][0-9A-Za-z]?)")
"""Colours and the like."""

COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|9[0-7]|38;[0-9;]+)m")


@dataclass
class Terminal:
    """A process on a terminal of its own; `shown` is all that it has shown so far, as it came."""

    process: subprocess.Popen[bytes]
    descriptor: int
    shown: str = field(default="")

    def press(self, keys: str) -> None:
        """Send what a person types."""
        os.write(self.descriptor, keys.encode())

    def until(self, text: str, within: float = LIMIT) -> str:
        """Wait until `text` is on the screen, without colours; return all that is."""
        deadline = time.monotonic() + within
        while text not in self.plain:
            assert time.monotonic() < deadline, self.plain
            assert self._read(), self.plain
        return self.plain

    def to_its_end(self) -> int:
        """Wait until the process has ended; return its exit code."""
        self.process.wait(timeout=LIMIT)
        while select.select([self.descriptor], [], [], 0)[0] and self._read():
            pass
        assert not CRASH.search(self.plain), self.plain
        assert "canary" not in self.plain
        return self.process.returncode

    @property
    def plain(self) -> str:
        """All text on the screen, without colours."""
        return SEQUENCE.sub("", self.shown)

    def _read(self) -> bool:
        if not select.select([self.descriptor], [], [], LIMIT)[0]:
            return False
        try:
            data = os.read(self.descriptor, 65_536)
        except OSError:  # how Linux tells that the other end is closed
            return False
        self.shown += data.decode().replace("\r\n", "\n")
        return bool(data)


@contextmanager
def terminal(
    command: Sequence[str], environ: Mapping[str, str], columns: int = 80
) -> Iterator[Terminal]:
    """Run a command on a terminal, the only one it has; kill it at the end if it still runs."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    opened = ["/bin/sh", "-c", 'exec "$@" <>"$0" >&0 2>&0', os.ttyname(its)]
    with subprocess.Popen(  # noqa: S603  # our own command, or a shell
        [*opened, *command],  # the first of a session to open a terminal is whom it interrupts
        env=environ,
        start_new_session=True,
    ) as process:
        try:
            yield Terminal(process, ours)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            os.close(ours)
            os.close(its)


@contextmanager
def gateway_on_terminal(
    *arguments: str, columns: int = 80, environ: Mapping[str, str]
) -> Iterator[Terminal]:
    """Run the gateway on a terminal that knows colours."""
    inherited = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM", "COLORTERM"}
    clean = {name: text for name, text in environment().items() if name not in inherited}
    with terminal(
        [*GATEWAY, *arguments], {**clean, "TERM": "xterm-256color", **environ}, columns
    ) as it:
        yield it
