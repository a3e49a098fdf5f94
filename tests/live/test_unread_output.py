"""A gateway whose standard output is not read serves, replaces workers and stops in time."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests import clients
from tests.commands import CRASH, GATEWAY, VALID, environment, free_port
from tests.served import NOWHERE, Served
from tests.waiting import LIMIT, eventually

LONG_GRACE = "600"
"""Seconds after which a worker that hangs would be killed, longer than any test waits."""


class Output:
    """The reading end of a gateway's standard output, a pipe."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def fill(self) -> None:
        """Fill the pipe."""
        os.set_blocking(self.writing, False)
        with suppress(BlockingIOError):
            while True:
                os.write(self.writing, b"." * 4096)
        os.set_blocking(self.writing, True)


@pytest.fixture
def output() -> Iterator[Output]:
    """Standard output that nobody reads."""
    made = Output()
    yield made
    os.close(made.writing)
    with suppress(OSError):
        os.close(made.reading)


@contextmanager
def gateway_to(output: Output, *, errors_too: bool = False) -> Iterator[Served]:
    """Start a gateway of two workers that writes there, and wait until both are ready."""
    port = free_port()
    settings = {"PORT": str(port), "WORKERS": "2", "SHUTDOWN_GRACE": LONG_GRACE}
    with subprocess.Popen(  # noqa: S603  # our own command
        [*GATEWAY, "serve"],
        env=environment(
            **VALID,
            GATEWAY_UPSTREAM_URL=NOWHERE,
            **{f"GATEWAY_{name}": text for name, text in settings.items()},
        ),
        stdout=output.writing,
        stderr=output.writing if errors_too else subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            gateway = Served(process, port)
            eventually(lambda: gateway.readiness() == (200, "ready"))
            eventually(lambda: gateway.listeners() == 2)
            yield gateway
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def assert_lives_and_ends(gateway: Served) -> None:
    """Check that it replaces a worker, and stops by itself when it is told to."""
    before = gateway.workers()
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: len(set(gateway.workers()) - set(before)) == 1)
    for _ in range(20):
        assert clients.get(f"{gateway.url}/nowhere").status_code == 404
    gateway.process.send_signal(signal.SIGINT)  # without a lead time
    assert gateway.process.wait(LIMIT) == 0
    if gateway.process.stderr is not None:
        assert not CRASH.search(gateway.process.stderr.read())


@pytest.mark.parametrize("errors_too", [pytest.param(True, marks=pytest.mark.slow), False])
def test_full_from_the_start(output: Output, *, errors_too: bool) -> None:
    """A pipe that is full before the start keeps it from nothing, nor one for errors too."""
    output.fill()
    with gateway_to(output, errors_too=errors_too) as gateway:
        assert_lives_and_ends(gateway)


@pytest.mark.slow
def test_full_later(output: Output) -> None:
    """A reader that stops reading keeps it from nothing."""
    with gateway_to(output) as gateway:
        output.fill()
        assert_lives_and_ends(gateway)


@pytest.mark.slow
def test_a_reader_that_has_died(output: Output) -> None:
    """A reader that dies keeps it from nothing."""
    with gateway_to(output) as gateway:
        os.close(output.reading)
        assert_lives_and_ends(gateway)
