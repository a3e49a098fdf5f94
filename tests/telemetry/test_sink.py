"""Log lines reach their descriptor, and a slow reader delays nobody."""

import array
import fcntl
import os
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.telemetry import Sink
from tests.waiting import LIMIT, eventually

PIPE_BUF = 4096


class Drops:
    """The number of dropped lines."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        """Count one."""
        self.count += 1


class Pipe:
    """A pipe; with `packets` each read returns one write of at most PIPE_BUF bytes."""

    def __init__(self, *, packets: bool = False) -> None:
        self.reading, self.writing = os.pipe2(os.O_DIRECT if packets else 0)

    def fill(self) -> int:
        """Fill it; return the number of bytes in it."""
        os.set_blocking(self.writing, False)
        count = 0
        try:
            while True:
                count += os.write(self.writing, b"." * PIPE_BUF)
        except BlockingIOError:
            os.set_blocking(self.writing, True)
        return count

    def read(self, count: int) -> bytes:
        """Read so many bytes."""
        data = b""
        while len(data) < count:
            data += os.read(self.reading, min(count - len(data), PIPE_BUF))
        return data

    def waiting(self) -> int:
        """Return the number of bytes that wait to be read."""
        count = array.array("i", [0])
        fcntl.ioctl(self.reading, termios.FIONREAD, count)
        return count[0]


@pytest.fixture
def pipe() -> Pipe:
    """A pipe that stays open: a thread may be blocked on it."""
    return Pipe()


@contextmanager
def sink_to(descriptor: int, drops: Drops | None = None, buffer: int = 1 << 20) -> Iterator[Sink]:
    """Yield a sink, and close it with the block."""
    sink = Sink(descriptor, drops or Drops(), buffer=buffer)
    yield sink
    sink.close()


@contextmanager
def sink_to_file(path: Path) -> Iterator[Sink]:
    """Yield a sink to a file, and close both with the block."""
    with path.open("wb") as file, sink_to(file.fileno()) as sink:
        yield sink


def test_every_line_in_order(tmp_path: Path) -> None:
    """A closed sink has written all lines, in order."""
    lines = [b"%d\n" % number for number in range(5000)]
    with sink_to_file(tmp_path / "log") as sink:
        for line in lines:
            sink.write(line)
    assert (tmp_path / "log").read_bytes() == b"".join(lines)


def test_a_line_just_before_the_end(tmp_path: Path) -> None:
    """A line that comes just before the close is written, at whatever the thread is."""
    for number in range(30):
        with sink_to_file(tmp_path / "log") as sink:
            time.sleep(0.001 * number)
            sink.write(b"last\n")
        assert (tmp_path / "log").read_bytes() == b"last\n"


def test_lines_of_several_threads(tmp_path: Path) -> None:
    """Lines of several threads are neither lost nor broken."""
    with sink_to_file(tmp_path / "log") as sink:

        def write(letter: bytes) -> None:
            for _ in range(1000):
                sink.write(letter * 50 + b"\n")

        threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = (tmp_path / "log").read_bytes().splitlines()
    assert sorted(lines) == [b"a" * 50] * 1000 + [b"b" * 50] * 1000 + [b"c" * 50] * 1000


def test_lines_wait_for_others_up_to_64_kib(pipe: Pipe) -> None:
    """Many lines are written at once, however long few of them would wait."""
    sink = Sink(pipe.writing, Drops(), seconds=LIMIT * 10)
    for _ in range(70):
        sink.write(b"x" * 999 + b"\n")
    assert pipe.read(64 << 10) == (b"x" * 999 + b"\n") * 65 + b"x" * 536
    sink.close()


def test_an_orderly_end_waits_for_no_others(pipe: Pipe) -> None:
    """A closed sink has written what was waiting."""
    sink = Sink(pipe.writing, Drops(), seconds=LIMIT * 10)
    sink.write(b"last\n")
    sink.close()
    assert pipe.read(5) == b"last\n"


def test_written_soon(pipe: Pipe) -> None:
    """A line waits neither for the next nor for the end."""
    with sink_to(pipe.writing) as sink:
        sink.write(b"now\n")
        assert pipe.read(4) == b"now\n"


def test_a_write_is_whole_lines_and_fits_into_a_pipe() -> None:
    """A write is whole lines within PIPE_BUF, or one longer line, so that a pipe can be shared."""
    pipe = Pipe(packets=True)
    filled = pipe.fill()
    lengths = (10, 4000, 90, 96, 5000, 1, 2000, 2000, 2000)
    with sink_to(pipe.writing) as sink:
        for length in lengths:
            sink.write(b"x" * (length - 1) + b"\n")
        pipe.read(filled)
        writes, read = [], 0
        while read < sum(lengths):
            writes.append(os.read(pipe.reading, PIPE_BUF))
            read += len(writes[-1])
    long = next(place for place, write in enumerate(writes) if not write.endswith(b"\n"))
    writes[long : long + 2] = [writes[long] + writes[long + 1]]
    assert all(write.endswith(b"\n") for write in writes)
    assert all(len(write) <= PIPE_BUF or write.count(b"\n") == 1 for write in writes)
    assert len(writes) < len(lengths)


def test_a_full_pipe_delays_nobody(pipe: Pipe) -> None:
    """Lines wait up to the limit, further ones are dropped and counted, and later ones written."""
    filled, drops = pipe.fill(), Drops()
    with sink_to(pipe.writing, drops, buffer=1000) as sink:
        for number in range(10_000):
            sink.write(b"%09d\n" % number)
        assert drops.count == 9900
        assert pipe.read(filled + 1000)[filled:] == b"".join(
            b"%09d\n" % number for number in range(100)
        )
        eventually(lambda: _is_taken(sink, drops))
        assert pipe.read(6) == b"later\n"


def _is_taken(sink: Sink, drops: Drops) -> bool:
    """Write a line; return True if it was not dropped."""
    before = drops.count
    sink.write(b"later\n")
    return drops.count == before


def test_the_end_does_not_wait_for_ever(pipe: Pipe) -> None:
    """Closing does not wait for a reader that does not read; its lines count as dropped."""
    pipe.fill()
    drops = Drops()
    with sink_to(pipe.writing, drops) as sink:
        sink.write(b"in the thread's hands\n")
        eventually(lambda: not sink._lines)  # noqa: SLF001  # the thread is blocked by it
        for _ in range(3):
            sink.write(b"x\n")
    assert drops.count == 3


def test_a_pipe_that_does_not_block(pipe: Pipe) -> None:
    """A full pipe that another process has made non-blocking is waited for, too."""
    filled, drops = pipe.fill(), Drops()
    os.set_blocking(pipe.writing, False)
    with sink_to(pipe.writing, drops) as sink:
        sink.write(b"x\n")
        time.sleep(0.1)
        assert pipe.read(filled + 2)[filled:] == b"x\n"
    assert drops.count == 0


def test_a_reader_that_comes_back(tmp_path: Path) -> None:
    """Lines without a reader count as dropped; a torn line does not spoil the next one."""
    fifo, drops = tmp_path / "fifo", Drops()
    os.mkfifo(fifo)
    pipe = Pipe()
    pipe.reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with fifo.open("wb") as writing, sink_to(writing.fileno(), drops) as sink:
        sink.write(b"x" * 100_000 + b"\n")
        eventually(lambda: pipe.waiting() == 1 << 16)
        os.close(pipe.reading)
        eventually(lambda: drops.count == 1)
        pipe.reading = os.open(fifo, os.O_RDONLY)
        sink.write(b"whole\n")
        assert pipe.read((1 << 16) + 7)[1 << 16 :] == b"\nwhole\n"
        os.close(pipe.reading)
    assert drops.count == 1


def test_a_full_disk() -> None:
    """Lines that find the disk full count as dropped."""
    full, drops = Path("/dev/full"), Drops()
    if not full.exists():
        pytest.skip("needs /dev/full")
    with full.open("wb", buffering=0) as disk, sink_to(disk.fileno(), drops) as sink:
        sink.write(b"lost\n")
        eventually(lambda: drops.count == 1)


def test_processes_that_share_a_pipe(pipe: Pipe) -> None:
    """Lines of two processes on one pipe all arrive whole."""
    pids = [_writer(pipe.writing, letter) for letter in (b"a", b"b")]
    lines = pipe.read(2 * 2000 * 701).splitlines()
    for pid in pids:
        os.waitpid(pid, 0)
    assert sorted(lines) == [b"a" * 700] * 2000 + [b"b" * 700] * 2000


def _is_behind(sink: Sink) -> bool:
    return bool(sink._lines or sink._pieces)  # noqa: SLF001  # no sink tells of them


def _writer(pipe: int, letter: bytes) -> int:
    pid = os.fork()
    if not pid:
        with sink_to(pipe, buffer=1 << 30) as sink:
            for _ in range(2000):
                sink.write(letter * 700 + b"\n")
            end = time.monotonic() + LIMIT
            while _is_behind(sink) and time.monotonic() < end:  # its close has a limit
                time.sleep(0.01)
        os._exit(0)
    return pid
