"""Log lines reach their stream, and wait for it so that nobody else does."""

import io
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.telemetry import Sink


class Stream(io.BytesIO):
    """Takes what it is given once it is `open`; notes each write."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.open.set()
        self.pieces: list[bytes] = []

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # bytes are all it is given
        """Take `data`, later if need be."""
        self.open.wait(20)
        self.pieces.append(data)
        return super().write(data)


class Broken(io.BytesIO):
    """Fails for as long as it is told to."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error: Exception | None = error

    def flush(self) -> None:
        """Fail, after it has taken nothing."""
        if self.error is not None:
            self.seek(0)
            self.truncate()
            raise self.error


class Drops:
    """Counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        """Count one."""
        self.count += 1


@contextmanager
def sink_to(stream: io.BytesIO, drops: Drops | None = None, most: int = 1 << 20) -> Iterator[Sink]:
    """Give a sink that is closed with the block."""
    sink = Sink(stream, drops or Drops(), most=most)
    yield sink
    sink.close()


def test_every_line_in_order() -> None:
    """All lines that were written are there once it is closed, in order."""
    lines = [b"%d\n" % number for number in range(5000)]
    stream = Stream()
    with sink_to(stream) as sink:
        for line in lines:
            sink.write(line)
    assert stream.getvalue() == b"".join(lines)


def test_lines_of_several_threads() -> None:
    """None is lost or broken."""
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
    """A line does not wait for the next, nor for the end."""
    stream = Stream()
    with sink_to(stream) as sink:
        sink.write(b"now\n")
        end = time.monotonic() + 5
        while not stream.pieces and time.monotonic() < end:
            time.sleep(0.005)
        assert stream.getvalue() == b"now\n"


def test_a_piece_is_whole_lines_and_fits_into_a_pipe() -> None:
    """So that processes that share a pipe do not break each other's lines."""
    stream = Stream()
    stream.open.clear()
    with sink_to(stream) as sink:
        for length in (10, 4000, 90, 96, 5000, 1, 2000, 2000, 2000):
            sink.write(b"x" * (length - 1) + b"\n")
        stream.open.set()
    assert all(piece.endswith(b"\n") for piece in stream.pieces)
    assert all(len(piece) <= 4096 or piece.count(b"\n") == 1 for piece in stream.pieces)
    assert len(stream.pieces) < 9


def test_a_stream_that_takes_nothing_delays_nobody() -> None:
    """Lines wait up to the bound, those beyond are given up and counted; then all goes on."""
    stream, drops = Stream(), Drops()
    stream.open.clear()
    with sink_to(stream, drops, most=1000) as sink:
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
    """A stream that never takes anything does not keep a gateway from ending."""
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
    """What it did not take is counted; once it works again, so does the log."""
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
    """Two of them at once: every line arrives whole."""
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
