"""The shutdown of a worker, step by step, without a process."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import pytest
from granian import _signals

from gateway.serving.graceful_shutdown import LEAVE, GracefulShutdown


class Loop:
    """An event loop that keeps the handlers and the timers it is given."""

    def __init__(self) -> None:
        self.handlers: dict[int, Callable[[], None]] = {}
        self.readers: dict[int, Callable[[], None]] = {}
        self.timers: dict[float, Callable[[], None]] = {}

    def add_signal_handler(self, number: int, handler: Callable[..., None], *args: Any) -> None:
        """Keep a signal handler."""
        self.handlers[number] = lambda: handler(*args)

    def call_soon_threadsafe(self, handler: Callable[..., None], *args: Any) -> None:
        """Call it now."""
        handler(*args)

    def call_later(self, seconds: float, handler: Callable[[], None]) -> None:
        """Keep a timer."""
        self.timers[round(seconds, 6)] = handler

    def add_reader(self, descriptor: int, handler: Callable[..., None], *args: Any) -> None:
        """Keep the reader of a descriptor."""
        self.readers[descriptor] = lambda: handler(*args)

    def remove_reader(self, descriptor: int) -> None:
        """Forget the reader of a descriptor."""
        del self.readers[descriptor]


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    """Return a loop; every signal handler is as before after the test."""
    monkeypatch.setattr(_signals, "set_loop_signals", None)
    numbers = (signal.SIGINT, signal.SIGTERM, LEAVE)
    before = {number: signal.getsignal(number) for number in numbers}
    yield Loop()
    for number, handler in before.items():
        signal.signal(number, handler)


LIFELINE = 5
DELAY = 3.0


def begun(loop: Loop, grace: float = 10, listener: int = -1) -> GracefulShutdown:
    """Return the shutdown of a worker that granian has started on this loop."""
    shutdown = GracefulShutdown(listener, LIFELINE, delay=DELAY, grace=grace)
    shutdown.handle_signals()
    _signals.set_loop_signals(loop)
    return shutdown


@pytest.mark.parametrize(
    ("how", "grace", "timers"),
    [
        (signal.SIGTERM, 10, [3.0, 3.2]),
        (signal.SIGTERM, 1, [3.0, 3.04]),
        (LEAVE, 10, [0.8, 1.0]),
        (LEAVE, 1, [0.16, 0.2]),
    ],
)
def test_it_drains_first(
    loop: Loop, how: signal.Signals, grace: float, timers: list[float]
) -> None:
    """A worker is unready at once, refuses connections later, and then stops.

    It waits for load balancers on SIGTERM, and for a moment only where it is replaced.
    """
    shutdown = begun(loop, grace)
    assert not shutdown.draining.is_set()
    for _ in range(2):
        loop.handlers[how]()
        assert shutdown.draining.is_set()
        assert list(loop.timers) == timers


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
    assert loop.timers == {}


@pytest.mark.parametrize("stopped", [False, True])
def test_the_listener_is_refused_once(loop: Loop, *, stopped: bool) -> None:
    """The listening socket is given up before the stop; after it the number may be another's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        begun(loop, listener=listener.fileno())
        loop.handlers[signal.SIGTERM]()
        if stopped:
            loop.handlers[signal.SIGINT]()
        loop.timers[DELAY]()
        with socket.socket() as client:
            assert (client.connect_ex(address) == 0) is stopped


def test_a_worker_without_a_supervisor_drains(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose supervisor is gone drains, and ends itself at the end of the grace period."""
    alarms: list[float] = []
    monkeypatch.setattr(signal, "setitimer", lambda _, seconds: alarms.append(seconds))
    shutdown = begun(loop, grace=7)
    loop.readers[LIFELINE]()
    assert shutdown.draining.is_set()
    assert (alarms, loop.readers) == ([DELAY + 7], {})


def test_draining_needs_no_loop() -> None:
    """`draining` is made before any loop runs, and can then be awaited in one."""
    shutdown = GracefulShutdown(-1, LIFELINE, delay=5, grace=1)

    async def drained() -> bool:
        waiting = asyncio.create_task(shutdown.draining.wait())
        await asyncio.sleep(0)
        shutdown.draining.set()
        return await waiting

    assert asyncio.run(drained())


def test_responses_close_their_connections_while_draining() -> None:
    """A response that begins while draining has `Connection: close`, an earlier one has not."""
    shutdown = GracefulShutdown(-1, LIFELINE, delay=5, grace=1)
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
