"""A supervisor keeps serving whatever happens to its workers, and always stops."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests import clients
from tests.commands import VALID, end, environment, free_port, started, until_printed
from tests.live.fault_server import Held, rooms, serving
from tests.live.gateways import gateway_at
from tests.served import NOWHERE, Served, served, token
from tests.waiting import eventually, until


@contextmanager
def small_server(workers: int, *faults: str) -> Iterator[Served]:
    """Run `small_server` with faults."""
    port = free_port()
    with subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-m", "tests.live.small_server", str(port), str(workers), *faults],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield Served(process, port)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def answering(server: Served) -> int:
    """Return the process id of the worker that answers."""
    return int(clients.get(server.url).text)


def descriptors(process: int) -> int:
    """Return how many descriptors a process has open."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def test_forks_that_fail_at_the_start() -> None:
    """A server for whose first worker there is no process tries again, and serves."""
    with small_server(1, "no-process=3") as server:
        eventually(lambda: server.listeners() == 1)
        assert answering(server) in server.workers()
        output = server.stop()
    line = "Cannot start worker-1, trying again: Resource temporarily unavailable"
    assert output.count(line) == 3
    assert "replaced" not in output


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_while_forks_fail(how: signal.Signals) -> None:
    """A server for whose workers there never is a process ends with 0 when it is told to."""
    with small_server(2, "no-process=1000000") as server:
        until_printed(server.process, "Cannot start worker-1")
        server.process.send_signal(how)
        assert server.ended()[0] == 0


async def test_a_fork_that_fails_under_load() -> None:
    """While there is no process for a replacement, the others serve; then there is one."""
    async with serving(rooms) as upstream:
        with served(upstream.url, WORKERS="2") as gateway:
            pid = gateway.process.pid
            before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors(pid), before[1]))
            victim, other = gateway.workers()
            os.kill(victim, signal.SIGKILL)
            await asyncio.to_thread(until_printed, gateway.process, "Cannot start worker-1")
            assert gateway.workers() == [other]
            headers = {"Authorization": f"Bearer {token('bob')}"}
            async with clients.async_client(gateway.url, headers) as client:
                answers = [await client.get(f"/v1/rooms/{number}") for number in range(20)]
            assert {each.status_code for each in answers} == {200}
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
            await asyncio.to_thread(eventually, lambda: gateway.listeners() == 2)
            await asyncio.to_thread(gateway.stop)


def test_workers_that_cannot_start_are_given_up() -> None:
    """A server whose workers all fail as they start, three times each, ends with 1."""
    with small_server(2, "crash=all") as server:
        code, output = server.ended()
    assert code == 1
    assert output.count("Workers keep failing at startup; giving up") == 1
    assert output.count("no worker can be made of this") >= 6


def test_one_that_cannot_start_does_not_end_the_others() -> None:
    """A worker that always crashes as it starts is tried again, and the others serve on."""
    with small_server(3, "crash=1") as server:
        for _ in range(5):
            until_printed(server.process, "Unexpected exit from worker-2")
        eventually(lambda: server.listeners() == 2)
        assert answering(server) in server.workers()
        assert "giving up" not in server.stop()


async def test_a_stopped_worker_answers_and_is_replaced() -> None:
    """A worker that the system stops goes on, answers what it had accepted, and is replaced."""
    held = Held()
    async with serving(held) as upstream:
        with served(upstream.url, UPSTREAM_TIMEOUT="60", SHUTDOWN_GRACE="60") as gateway:
            (stopped,) = gateway.workers()
            headers = {"Authorization": f"Bearer {token('bob')}"}
            async with clients.async_client(gateway.url, headers) as client:
                request = asyncio.create_task(client.get("/v1/rooms/1"))
                await held.arrived(1)
                os.kill(stopped, signal.SIGSTOP)
                await until(lambda: len(gateway.workers()) == 2)
                held.let_go.set()
                assert (await request).status_code == 200
                assert (await client.get("/healthz")).status_code == 200
            await until(lambda: len(gateway.workers()) == 1 and stopped not in gateway.workers())
            output = await asyncio.to_thread(gateway.stop)
    assert "Unresponsive worker-1; replacing it" in output
    assert "Grace period over" not in output


async def test_a_gateway_sends_heartbeats() -> None:
    """The event loop of a gateway notes again and again that it turns."""
    async with gateway_at(NOWHERE) as gateway:
        for _ in range(2):
            last = gateway.block.last_beat
            await until(lambda: gateway.block.last_beat > last)  # noqa: B023  # called at once
        assert gateway.block.last_beat <= time.monotonic()


@pytest.mark.slow
def test_a_blocked_worker_is_replaced() -> None:
    """A worker whose event loop is blocked is replaced, and killed at the end of the grace."""
    with small_server(1, "silence=2") as server:
        eventually(lambda: server.listeners() == 1)
        (blocked,) = server.workers()
        with server.connect() as client:
            client.sendall(b"GET /block HTTP/1.1\r\nHost: x\r\n\r\n")
            eventually(lambda: len(set(server.workers()) - {blocked}) > 0)
            eventually(lambda: blocked not in server.workers())
        eventually(lambda: server.listeners() == 1)
        assert answering(server) != blocked
        output = server.stop()
    assert "replaced: unresponsive in 1" in output
    assert "Grace period over; killing worker-1" in output


def test_it_stops_while_a_worker_is_blocked() -> None:
    """A blocked worker does not outlive the grace period of its server."""
    with small_server(2) as server:
        eventually(lambda: server.listeners() == 2)
        with server.connect() as client:
            client.sendall(b"GET /block HTTP/1.1\r\nHost: x\r\n\r\n")
            until_printed(server.process, "blocked")
            server.process.terminate()
            code, output = server.ended()
    assert code == 0
    assert output.count("Grace period over; killing worker-") == 1


@pytest.mark.slow  # for the lead time
def test_it_stops_while_a_worker_is_stopped() -> None:
    """A worker that the system has stopped goes on when its gateway is told to stop."""
    with served(WORKERS="2", SHUTDOWN_GRACE="60") as gateway:
        os.kill(gateway.workers()[0], signal.SIGSTOP)
        gateway.process.terminate()
        code, output = gateway.ended()
    assert (code, "Grace period over" in output) == (0, False)


async def test_a_stopped_worker_loses_no_new_connection() -> None:
    """Clients that come while one of two workers is stopped are all answered."""
    with small_server(2) as server:
        eventually(lambda: server.listeners() == 2)
        os.kill(server.workers()[0], signal.SIGSTOP)
        assert all(answering(server) for _ in range(20))
        server.stop()


@pytest.mark.slow
def test_two_at_once_on_one_port() -> None:
    """Of two gateways begun at once on one port one serves, the other is told that it is taken."""
    port = free_port()
    with ExitStack() as stack:
        environ = {**VALID, "GATEWAY_PORT": str(port)}
        both = [stack.enter_context(started("serve", **environ)) for _ in range(2)]
        eventually(lambda: any(each.poll() is not None for each in both))
        loser, winner = sorted(both, key=lambda each: each.poll() is None)
        _, reason = loser.communicate()
        assert (loser.returncode, "Address already in use" in reason) == (1, True)
        eventually(lambda: clients.is_ready(port))
        end(winner)


def test_no_connection_is_lost_with_a_worker() -> None:
    """Connections that nobody has accepted wait for the next worker when the only one is killed."""
    with small_server(1, "settled=0") as server:
        eventually(lambda: server.listeners() == 1)
        (worker,) = server.workers()
        assert answering(server) == worker  # it has a heartbeat
        os.kill(worker, signal.SIGSTOP)
        eventually(lambda: _is_stopped(worker))
        waiting = [server.connect() for _ in range(5)]
        for each in waiting:
            each.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        os.kill(worker, signal.SIGKILL)
        assert all(each.recv(100).startswith(b"HTTP/1.1 200 ") for each in waiting)
        for each in waiting:
            each.close()
        server.stop()


def _is_stopped(pid: int) -> bool:
    """Return True once no thread of a process runs."""
    states = [each.read_text().rpartition(")")[2].split()[0] for each in _threads(pid)]
    return set(states) == {"T"}


def _threads(pid: int) -> Iterable[Path]:
    return Path(f"/proc/{pid}/task").glob("*/stat")
