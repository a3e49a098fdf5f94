"""Lines for a descriptor, written by a thread, so that a slow reader blocks no request.

- Lines wait in a bounded buffer. When it is full, further lines are dropped and counted: losing
  lines is better than a gateway that waits for its log.
- The thread writes to the descriptor itself. The lock of Python's own stream would block everyone
  who flushes it, the end of the process included, for as long as nobody reads.
- Processes that share a pipe must not interleave their lines. Each write is whole lines, up to the
  size a pipe takes atomically (POSIX's PIPE_BUF); a longer line is written alone.
- Lines wait for others to be written with them: a tenth of a second, or until there are 64 KiB.
  A killed process loses those. Each time that the thread wakes it takes turns with the event loop,
  which costs a busy core more than the writes do.
"""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

STDOUT = 1
"""The descriptor of standard output, if `sys.stdout` is not None."""

BUFFER = 8 << 20
"""Bytes of lines that may wait."""

_WHOLE = getattr(select, "PIPE_BUF", 512)
"""Bytes that a pipe takes whole; POSIX's least on Windows, which has no such bound."""

_BATCH = 0.1
_MUCH = 64 << 10
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

    A line waits for at most so many `seconds` for others.

    It belongs to one process: after a fork the new process has no thread and makes its own.
    """

    def __init__(
        self,
        descriptor: int,
        on_drop: Callable[[], None],
        *,
        buffer: int = BUFFER,
        seconds: float = _BATCH,
    ) -> None:
        self._descriptor = descriptor
        self._on_drop = on_drop
        self._buffer = buffer
        self._seconds = seconds
        self._lines: list[bytes] = []
        self._pieces: deque[list[bytes]] = deque()
        self._waiting = self._accepted = self._written = 0
        self._torn = b""
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._due = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, line: bytes, /) -> None:
        """Queue a line, with its newline."""
        size = len(line)
        with self._lock:
            if self._accepted - self._written + size > self._buffer:
                self._on_drop()
                return
            self._accepted += size
            self._waiting += size
            self._lines.append(line)
        if not self._some.is_set():
            self._some.set()
        if self._waiting > _MUCH and not self._due.is_set():
            self._due.set()

    def flush(self) -> None:
        """Do nothing: the thread writes within a tenth of a second."""

    def close(self) -> None:
        """Write the waiting lines, for at most a second; drop them if nobody reads."""
        self._closed = True
        self._due.set()
        self._some.set()
        end = time.monotonic() + _CLOSE_TIMEOUT
        written = -1
        while self._thread.is_alive() and written < self._written and time.monotonic() < end:
            written = self._written
            self._thread.join(_STALLED)
        for piece in (*self._pieces, self._lines):
            self._drop(piece)

    def _run(self) -> None:
        closed = False
        while not closed:
            self._some.wait()
            self._due.wait(self._seconds)
            self._some.clear()
            self._due.clear()
            closed = self._closed  # lines from before the close are among those written now
            self._pieces.extend(_pieces(self._take()))
            while self._pieces:
                self._write(self._pieces.popleft())

    def _take(self) -> list[bytes]:
        """Take all waiting lines."""
        with self._lock:
            lines, self._lines = self._lines, []
            self._waiting = 0
            return lines

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

    def _drop(self, lines: list[bytes]) -> None:
        with self._lock:
            for _ in lines:
                self._on_drop()


def _pieces(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield `lines` in pieces of at most _WHOLE bytes, or of one longer line."""
    piece: list[bytes] = []
    left = _WHOLE
    for line in lines:
        if piece and len(line) > left:
            yield piece
            piece, left = [], _WHOLE
        piece.append(line)
        left -= len(line)
    if piece:
        yield piece
