"""Log lines reach their stream, and a slow stream delays nobody."""

import io
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.telemetry import Sink


class Stream(io.BytesIO):
    """A stream that blocks until it is `open`, and records each write."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.open.set()
        self.writes: list[bytes] = []

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # it is given bytes only
        """Record `data`, once open."""
        self.open.wait(20)
        self.writes.append(data)
        return super().write(data)


class Broken(io.BytesIO):
    """A stream that fails while it has an `error`."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error: Exception | None = error

    def flush(self) -> None:
        """Discard everything and fail."""
        if self.error is not None:
            self.seek(0)
            self.truncate()
            raise self.error


class Drops:
    """The number of dropped lines."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        """Count one."""
        self.count += 1


@contextmanager
def sink_to(
    stream: io.BytesIO, drops: Drops | None = None, buffer: int = 1 << 20
) -> Iterator[Sink]:
    """Yield a sink, and close it with the block."""
    sink = Sink(stream, drops or Drops(), buffer=buffer)
    yield sink
    sink.close()


def test_every_line_in_order() -> None:
    """A closed sink has written all lines, in order."""
    lines = [b"%d\n" % number for number in range(5000)]
    stream = Stream()
    with sink_to(stream) as sink:
        for line in lines:
            sink.write(line)
    assert stream.getvalue() == b"".join(lines)


def test_lines_of_several_threads() -> None:
    """Lines of several threads are neither lost nor broken."""
    stream = Stream()
    with sink_to(stream) as sink:

        def write(letter: bytes) -> None:
            for _ in range(1000):
                sink.write(letter * 50 + b"\n")

        threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = stream.getvalue().splitlines()
    assert sorted(lines) == [b"a" * 50] * 1000 + [b"b" * 50] * 1000 + [b"c" * 50] * 1000


def test_written_soon() -> None:
    """A line waits neither for the next nor for the end."""
    stream = Stream()
    with sink_to(stream) as sink:
        sink.write(b"now\n")
        end = time.monotonic() + 5
        while not stream.writes and time.monotonic() < end:
            time.sleep(0.005)
        assert stream.getvalue() == b"now\n"


def test_a_write_is_whole_lines_and_fits_into_a_pipe() -> None:
    """A write is whole lines within PIPE_BUF, or one longer line, so that a pipe can be shared."""
    stream = Stream()
    stream.open.clear()
    with sink_to(stream) as sink:
        for length in (10, 4000, 90, 96, 5000, 1, 2000, 2000, 2000):
            sink.write(b"x" * (length - 1) + b"\n")
        stream.open.set()
    assert all(write.endswith(b"\n") for write in stream.writes)
    assert all(len(write) <= 4096 or write.count(b"\n") == 1 for write in stream.writes)
    assert len(stream.writes) < 9


def test_a_blocked_stream_delays_nobody() -> None:
    """Lines wait up to the limit, further ones are dropped and counted, and later ones written."""
    stream, drops = Stream(), Drops()
    stream.open.clear()
    with sink_to(stream, drops, buffer=1000) as sink:
        began = time.perf_counter()
        for number in range(10_000):
            sink.write(b"%09d\n" % number)
        took = time.perf_counter() - began
        assert drops.count == 9900
        stream.open.set()
        end = time.monotonic() + 5
        while len(stream.getvalue()) < 1000 and time.monotonic() < end:
            time.sleep(0.005)
        sink.write(b"later....\n")
    assert took < 1
    assert stream.getvalue() == b"".join(b"%09d\n" % number for number in range(100)) + (
        b"later....\n"
    )


def test_the_end_does_not_wait_for_ever() -> None:
    """Closing does not wait for a stream that stays blocked."""
    stream = Stream()
    stream.open.clear()
    sink = Sink(stream, Drops())
    sink.write(b"x\n")
    began = time.monotonic()
    sink.close(0.1)
    assert time.monotonic() - began < 1
    stream.open.set()


@pytest.mark.parametrize(
    "error", [BrokenPipeError(), OSError(28, "No space left on device"), ValueError("closed")]
)
def test_a_stream_that_fails(error: Exception) -> None:
    """Lines that a failing stream loses count as dropped; later lines are written again."""
    stream, drops = Broken(error), Drops()
    with sink_to(stream, drops) as sink:
        sink.write(b"lost\n")
        end = time.monotonic() + 5
        while not drops.count and time.monotonic() < end:
            time.sleep(0.005)
        stream.error = None
        sink.write(b"told\n")
    assert drops.count == 1
    assert stream.getvalue() == b"told\n"


def test_processes_that_share_a_pipe() -> None:
    """Lines of two processes on one pipe all arrive whole."""
    reading, writing = os.pipe()
    pids = [_writer(writing, letter) for letter in (b"a", b"b")]
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        lines = pipe.read().splitlines()
    for pid in pids:
        os.waitpid(pid, 0)
    assert sorted(lines) == [b"a" * 700] * 2000 + [b"b" * 700] * 2000


def _writer(pipe: int, letter: bytes) -> int:
    pid = os.fork()
    if not pid:
        with os.fdopen(pipe, "wb") as stream:
            sink = Sink(stream, Drops())
            for _ in range(2000):
                sink.write(letter * 700 + b"\n")
            sink.close(20)
        os._exit(0)
    return pid
