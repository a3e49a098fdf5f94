"""Child processes: their start, their end, and the signals between."""

import errno
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.serving.child_processes import SignalPipe, changes, fork, signals_into_pipe
from tests.waiting import eventually

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)


@pytest.fixture
def pipe() -> Iterator[SignalPipe]:
    """A pipe that takes signals; the handlers are as before after the test."""
    before = {each: signal.getsignal(each) for each in SIGNALS}
    with signals_into_pipe(SIGNALS) as pipe:
        yield pipe
    for number, handler in before.items():
        signal.signal(number, handler)


def ended(pid: int) -> int:
    """Wait for the end of a process; return its exit code."""
    seen: list[int] = []

    def has_ended() -> bool:
        seen.extend(changes(pid))
        return bool(seen)

    eventually(has_ended)
    return os.waitstatus_to_exitcode(seen[-1])


def leave(code: object) -> Callable[[], None]:
    """Return a function that exits."""

    def leaving() -> None:
        raise SystemExit(code)

    return leaving


def fail() -> None:
    """Fail."""
    raise ValueError("wrong")


@pytest.mark.parametrize(
    ("run", "code", "reason"),
    [
        (int, 0, ""),
        (leave(None), 0, ""),
        (leave(3), 3, ""),
        (leave("no way"), 1, "no way\n"),
        (fail, 1, "ValueError: wrong\n"),
    ],
)
def test_exit_codes(
    pipe: SignalPipe,
    capfd: pytest.CaptureFixture[str],
    run: Callable[[], object],
    code: int,
    reason: str,
) -> None:
    """A process ends with its function, with the exit code and the words that Python has for it."""
    assert ended(fork(run, pipe)) == code
    assert capfd.readouterr().err.endswith(reason)


def test_a_new_process_can_be_ended_from_its_first_moment(pipe: SignalPipe) -> None:
    """A signal right after the fork ends the new process; SIGHUP does not."""
    for _ in range(20):
        pid = fork(lambda: time.sleep(60), pipe)
        os.kill(pid, signal.SIGTERM)
        assert ended(pid) == -signal.SIGTERM


def test_stops_are_noticed(pipe: SignalPipe) -> None:
    """A child's stop, its going on and its end are seen once each, and wake the wait up."""
    pid = fork(lambda: time.sleep(60), pipe)
    for number, happened in (
        (signal.SIGSTOP, os.WIFSTOPPED),
        (signal.SIGCONT, os.WIFCONTINUED),
        (signal.SIGKILL, os.WIFSIGNALED),
    ):
        os.kill(pid, number)
        assert pipe.wait(60) == [signal.SIGCHLD]
        (status,) = changes(pid)
        assert happened(status)


def test_signals_come_in_order(pipe: SignalPipe) -> None:
    """Signals wait in the pipe until they are taken, in their order."""
    assert pipe.wait(0) == []
    signal.raise_signal(signal.SIGHUP)
    signal.raise_signal(signal.SIGTERM)
    assert pipe.wait(0) == [signal.SIGHUP, signal.SIGTERM]
    assert pipe.wait(0) == []


def test_a_fork_that_fails_leaves_nothing(
    pipe: SignalPipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a fork that fails signals come as before, and no descriptor is left open."""

    def no_process() -> int:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(os, "fork", no_process)
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(OSError, match="memory"):
            fork(int, pipe)
    assert len(list(Path("/dev/fd").iterdir())) == before
    signal.raise_signal(signal.SIGTERM)
    assert pipe.wait(0) == [signal.SIGTERM]


def test_a_process_without_descriptors_is_not_started(pipe: SignalPipe) -> None:
    """A new process that could not open files is not started."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 4, before[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            fork(int, pipe)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert ended(fork(int, pipe)) == 0
