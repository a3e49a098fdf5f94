"""Lines for a descriptor, written by a thread, so that a slow reader blocks no request.

- Lines wait in a bounded buffer. When it is full, further lines are dropped and counted: losing
  lines is better than a gateway that waits for its log.
- The thread writes to the descriptor itself. The lock of Python's own stream would block everyone
  who flushes it, the end of the process included, for as long as nobody reads.
- Processes that share a pipe must not interleave their lines. Each write is whole lines, up to the
  size a pipe takes atomically (POSIX's PIPE_BUF); a longer line is written alone.
- Lines wait 20 ms to be written together. A killed process loses those.
"""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

STDOUT = 1
"""The descriptor of standard output, if `sys.stdout` is not None."""

BUFFER = 8 << 20
"""Bytes of lines that may wait."""

_WHOLE = getattr(select, "PIPE_BUF", 512)
"""Bytes that a pipe takes whole; POSIX's least on Windows, which has no such bound."""

_BATCH = 0.02
_CLOSE_TIMEOUT = 1.0
_STALLED = 0.3
"""Seconds without a write after which a closing sink takes its reader for gone."""


class Stream(Protocol):
    """A writable stream of bytes."""

    def write(self, data: bytes, /) -> object:
        """Write `data`."""
        ...

    def flush(self) -> object:
        """Pass on what was written."""
        ...


class Sink:
    """A stream to a `descriptor` that never blocks; `on_drop` is called for each dropped line.

    It belongs to one process: after a fork the new process has no thread and makes its own.
    """

    def __init__(
        self, descriptor: int, on_drop: Callable[[], None], *, buffer: int = BUFFER
    ) -> None:
        self._descriptor = descriptor
        self._on_drop = on_drop
        self._buffer = buffer
        self._lines: deque[bytes] = deque()
        self._accepted = self._written = 0
        self._torn = b""
        self._lock = threading.Lock()
        self._waiting = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, line: bytes, /) -> None:
        """Queue a line, with its newline."""
        with self._lock:
            if self._accepted - self._written + len(line) > self._buffer:
                self._on_drop()
                return
            self._accepted += len(line)
            self._lines.append(line)
        if not self._waiting.is_set():
            self._waiting.set()

    def flush(self) -> None:
        """Do nothing: the thread writes within 20 ms."""

    def close(self) -> None:
        """Write the waiting lines, for at most a second; drop them if nobody reads."""
        self._closed = True
        self._waiting.set()
        end = time.monotonic() + _CLOSE_TIMEOUT
        written = -1
        while self._thread.is_alive() and written < self._written and time.monotonic() < end:
            written = self._written
            self._thread.join(_STALLED)
        self._drop(self._take(self._buffer))

    def _run(self) -> None:
        closed = False
        while not closed:
            self._waiting.wait()
            if not self._closed:
                time.sleep(_BATCH)
            self._waiting.clear()
            closed = self._closed  # lines from before the close are among those written now
            while lines := self._take(_WHOLE):
                self._write(lines)

    def _write(self, lines: list[bytes]) -> None:
        data = memoryview(b"".join([self._torn, *lines]))
        written = 0
        try:
            while written < len(data):
                written += self._write_some(data[written:])
        except OSError:  # the reader has gone, the disk is full
            self._drop(lines)
        if written:
            self._torn = b"" if data[written - 1] == ord("\n") else b"\n"
        self._written += sum(map(len, lines))

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:  # another process has made the pipe non-blocking
            select.select([], [self._descriptor], [])
            return 0

    def _take(self, size: int) -> list[bytes]:
        """Take as many waiting lines as fit into `size` bytes, at least one."""
        with self._lock:
            lines: list[bytes] = []
            while self._lines and (not lines or len(self._lines[0]) <= size):
                size -= len(self._lines[0])
                lines.append(self._lines.popleft())
            return lines

    def _drop(self, lines: list[bytes]) -> None:
        with self._lock:
            for _ in lines:
                self._on_drop()
