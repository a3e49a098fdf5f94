"""SIGHUP reloads keys, or does nothing: it never ends a process."""

import signal
import time
from pathlib import Path

import pytest

from tests.served import Served, launched
from tests.waiting import LIMIT

_STATUS_BIT = 1 << (signal.SIGHUP - 1)


def survives_a_hangup(pid: int) -> bool:
    """Return True if a process ignores or handles SIGHUP."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return bool((int(fields["SigIgn"], 16) | int(fields["SigCgt"], 16)) & _STATUS_BIT)


def test_hangups_from_the_start_on() -> None:
    """Hangups every 20 ms, from Python's own start to the first answer, end no process."""
    with launched(WORKERS="2") as gateway:
        deadline = time.monotonic() + LIMIT
        while not survives_a_hangup(gateway.process.pid):
            assert time.monotonic() < deadline
        seen: set[int] = set()
        while gateway.readiness() != (200, "ready") or len(gateway.workers()) < 2:
            gateway.signal_group(signal.SIGHUP)
            seen |= set(gateway.workers())
            assert time.monotonic() < deadline
            time.sleep(0.02)
        gateway.signal_group(signal.SIGHUP)
        assert seen <= set(gateway.workers())
        gateway.stop()


@pytest.mark.slow
def test_hangups_while_it_stops() -> None:
    """Hangups during the stop change neither its course nor the exit code."""
    with launched(WORKERS="2") as gateway:
        deadline = time.monotonic() + LIMIT
        while gateway.readiness() != (200, "ready"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        gateway.process.terminate()
        assert _ended_under_hangups(gateway, deadline) == 0


def _ended_under_hangups(gateway: Served, deadline: float) -> int | None:
    while gateway.process.poll() is None and time.monotonic() < deadline:
        gateway.signal_group(signal.SIGHUP)
        time.sleep(0.01)
    return gateway.process.returncode
