"""Where log lines go: to a stream, by a thread, so that a slow reader stops nobody else.

- Lines wait in memory, so many bytes at most. Those beyond are given up and counted: a gateway
  that cannot tell what it does is still of use, one that waits for its log is not.
- Processes that share a pipe must not break each other's lines: what is written at once is whole
  lines, no more than a pipe takes in one piece (POSIX's PIPE_BUF). A longer line stands alone.
- What comes within a few hundredths of a second is written together. So much of the log is lost
  when a process is killed.
"""

import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

MOST = 8 << 20
"""Bytes that wait at most."""

_TOGETHER = 0.02
_PATIENCE = 1.0


class Stream(Protocol):
    """Takes bytes."""

    def write(self, data: bytes, /) -> object:
        """Take `data`."""
        ...

    def flush(self) -> object:
        """Pass on what was taken."""
        ...


class Sink:
    """A stream that takes lines without waiting; `on_drop` is called for each that is given up."""

    def __init__(self, stream: Stream, on_drop: Callable[[], None], *, most: int = MOST) -> None:
        self._stream = stream
        self._on_drop = on_drop
        self._most = most
        self._lines: deque[bytes] = deque()
        self._taken = self._done = 0
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, line: bytes, /) -> None:
        """Take a line with its end."""
        with self._lock:
            if self._taken - self._done + len(line) > self._most:
                self._on_drop()
                return
            self._taken += len(line)
            self._lines.append(line)
        if not self._some.is_set():
            self._some.set()

    def flush(self) -> None:
        """Do nothing: the thread writes soon."""

    def close(self, patience: float = _PATIENCE) -> None:
        """Write what waits, for `patience` seconds at most."""
        self._closed = True
        self._some.set()
        self._thread.join(patience)

    def _run(self) -> None:
        while not self._closed:
            self._some.wait()
            if not self._closed:
                time.sleep(_TOGETHER)
            self._some.clear()
            while self._lines:
                self._write(self._piece())

    def _write(self, piece: list[bytes]) -> None:
        data = b"".join(piece)
        try:
            self._stream.write(data)
            self._stream.flush()
        except (OSError, ValueError):  # the reader has gone, the disk is full
            with self._lock:
                for _ in piece:
                    self._on_drop()
        self._done += len(data)

    def _piece(self) -> list[bytes]:
        piece = [self._lines.popleft()]
        size = len(piece[0])
        while self._lines and size + len(self._lines[0]) <= select.PIPE_BUF:
            size += len(self._lines[0])
            piece.append(self._lines.popleft())
        return piece
