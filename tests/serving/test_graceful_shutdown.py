"""The shutdown of a worker, step by step, without a process."""

import asyncio
import signal
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import pytest
from granian import _signals

from gateway.serving import GracefulShutdown
from gateway.serving.supervisor import Restarts


class Loop:
    """An event loop that keeps the handlers and the timers it is given."""

    def __init__(self) -> None:
        self.handlers: dict[int, Callable[[], None]] = {}
        self.timers: list[float] = []

    def add_signal_handler(self, number: int, handler: Callable[..., None], *args: Any) -> None:
        """Keep a signal handler."""
        self.handlers[number] = lambda: handler(*args)

    def call_soon_threadsafe(self, handler: Callable[..., None], *args: Any) -> None:
        """Call it now."""
        handler(*args)

    def call_later(self, seconds: float, *_: object) -> None:
        """Keep the delay of a timer."""
        self.timers.append(seconds)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    """Return a loop; every signal handler is as before after the test."""
    monkeypatch.setattr(_signals, "set_loop_signals", None)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield Loop()
    for number, handler in before.items():
        signal.signal(number, handler)


def begun(loop: Loop, grace: float = 10) -> GracefulShutdown:
    """Return the shutdown of a worker that granian has started on this loop."""
    shutdown = GracefulShutdown(port=1, grace=grace)
    shutdown.handle_signals()
    _signals.set_loop_signals(loop)
    return shutdown


@pytest.mark.parametrize(("grace", "timers"), [(10, [0.8, 1.0]), (1, [0.16, 0.2])])
def test_sigterm_drains_first(loop: Loop, grace: float, timers: list[float]) -> None:
    """SIGTERM sets `draining` at once, refuses connections later, and then stops the worker."""
    shutdown = begun(loop, grace)
    assert not shutdown.draining.is_set()
    for _ in range(2):
        loop.handlers[signal.SIGTERM]()
        assert shutdown.draining.is_set()
        assert loop.timers == pytest.approx(timers)


def test_a_signal_between_two_runs_of_the_loop_counts(loop: Loop) -> None:
    """A signal that the loop does not see, because it is not running, begins draining too."""
    shutdown = begun(loop)
    loop.handlers.clear()
    signal.raise_signal(signal.SIGTERM)
    assert shutdown.draining.is_set()


def test_sigint_stops_at_once(loop: Loop) -> None:
    """SIGINT sets `draining` too, and waits for nothing."""
    shutdown = begun(loop)
    loop.handlers[signal.SIGINT]()
    assert shutdown.draining.is_set()
    assert loop.timers == []


def test_draining_needs_no_loop() -> None:
    """`draining` is made before any loop runs, and can then be awaited in one."""
    shutdown = GracefulShutdown(port=1, grace=1)

    async def drained() -> bool:
        waiting = asyncio.create_task(shutdown.draining.wait())
        await asyncio.sleep(0)
        shutdown.draining.set()
        return await waiting

    assert asyncio.run(drained())


def test_responses_close_their_connections_while_draining() -> None:
    """A response that begins while draining has `Connection: close`, an earlier one has not."""
    shutdown = GracefulShutdown(port=1, grace=1)
    sent: list[MutableMapping[str, Any]] = []

    async def application(_: object, __: object, send: Callable[..., Any]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": ()})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def requests() -> None:
        served = shutdown.around(application)
        await served({}, None, send)
        shutdown.draining.set()
        await served({}, None, send)

    asyncio.run(requests())
    starts = [each["headers"] for each in sent if each["type"] == "http.response.start"]
    assert starts == [(), ((b"connection", b"close"),)]


@pytest.mark.parametrize(
    ("ends", "allowed"),
    [
        ([(0.1, 1), (0.1, 1), (0.1, 1)], [True, True, False]),
        ([(0.1, 1), (0.1, 1), (60, 1), (0.1, 1)], [True, True, True, True]),
        ([(0.1, 1), (0.1, -signal.SIGKILL), (0.1, 1), (0.1, 1)], [True] * 4),
        ([(0.1, 0)] * 4, [True] * 4),
        ([(0.1, -signal.SIGSEGV)] * 3, [True, True, False]),
    ],
)
def test_only_failed_starts_in_a_row_count(
    ends: list[tuple[float, int]], allowed: list[bool]
) -> None:
    """The third failed start in a row is the last; a long life or an outside signal resets it."""
    restarts = Restarts()
    assert [restarts.allowed(lived, code) for lived, code in ends] == allowed
