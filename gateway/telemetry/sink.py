"""A log stream written by a thread, so that a slow reader blocks no request.

- Lines wait in a bounded buffer. When it is full, further lines are dropped and counted: losing
  lines is better than a gateway that waits for its log.
- Processes that share a pipe must not interleave their lines. Each write is whole lines, up to the
  size a pipe takes atomically (POSIX's PIPE_BUF); a longer line is written alone.
- Lines wait 20 ms to be written together. A killed process loses those.
"""

import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

BUFFER = 8 << 20
"""Bytes of lines that may wait."""

_BATCH = 0.02
_CLOSE_TIMEOUT = 1.0


class Stream(Protocol):
    """A writable stream of bytes."""

    def write(self, data: bytes, /) -> object:
        """Write `data`."""
        ...

    def flush(self) -> object:
        """Pass on what was written."""
        ...


class Sink:
    """A stream that never blocks; `on_drop` is called for each dropped line."""

    def __init__(
        self, stream: Stream, on_drop: Callable[[], None], *, buffer: int = BUFFER
    ) -> None:
        self._stream = stream
        self._on_drop = on_drop
        self._buffer = buffer
        self._lines: deque[bytes] = deque()
        self._accepted = self._written = 0
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

    def close(self, timeout: float = _CLOSE_TIMEOUT) -> None:
        """Write the waiting lines, for at most `timeout` seconds."""
        self._closed = True
        self._waiting.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._closed:
            self._waiting.wait()
            if not self._closed:
                time.sleep(_BATCH)
            self._waiting.clear()
            while self._lines:
                self._write(self._next_batch())

    def _write(self, lines: list[bytes]) -> None:
        data = b"".join(lines)
        try:
            self._stream.write(data)
            self._stream.flush()
        except (OSError, ValueError):  # the reader has gone, the disk is full
            with self._lock:
                for _ in lines:
                    self._on_drop()
        self._written += len(data)

    def _next_batch(self) -> list[bytes]:
        batch = [self._lines.popleft()]
        size = len(batch[0])
        while self._lines and size + len(self._lines[0]) <= select.PIPE_BUF:
            size += len(self._lines[0])
            batch.append(self._lines.popleft())
        return batch
