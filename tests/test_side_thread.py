"""Work in a thread beside: it ends with its block, and holds up nothing."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from gateway import side_thread
from gateway.side_thread import beside
from tests.commands import ROOT
from tests.waiting import LIMIT, eventually, until

NAME = "a-store.example"


def test_the_work_ends_with_the_block() -> None:
    """It runs in a thread of that name, and is told when to stop."""
    steps = []

    async def work(stop: asyncio.Event) -> None:
        steps.append(threading.current_thread().name)
        await stop.wait()
        steps.append("stopped")

    with beside(work, "beside"):
        eventually(lambda: steps == ["beside"])
    assert steps == ["beside", "stopped"]


def test_work_that_does_not_end_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The block ends all the same."""
    monkeypatch.setattr(side_thread, "_END", 0.01)
    end = threading.Event()

    async def work(_: asyncio.Event) -> None:
        end.wait(LIMIT)

    with beside(work, "beside"):
        pass
    [thread] = [each for each in threading.enumerate() if each.name == "beside"]
    assert thread.daemon
    end.set()
    thread.join(LIMIT)


def test_a_lookup_holds_up_neither_the_work_nor_the_next_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A few names are looked up at once; a further one fails at once until they are found."""
    found, results = threading.Event(), list[str]()

    def look_up(*_: object, **__: object) -> list[object]:
        found.wait(LIMIT)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    async def ask() -> str:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.get_running_loop().getaddrinfo(NAME, 1)
        except TimeoutError:
            return "late"
        except OSError:
            return "refused"
        return "found"

    async def work(_: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        results.extend([await ask() for _ in range(6)])
        waiting = [each for each in threading.enumerate() if each.name == "lookup"]
        assert all(each.daemon for each in waiting)
        found.set()
        await until(lambda: not any(each.is_alive() for each in waiting))
        results.append(str((await loop.getaddrinfo(NAME, 1))[0][4]))

    with beside(work, "beside"):
        eventually(lambda: len(results) == 7)
    assert results == [*["late"] * 4, *["refused"] * 2, "('127.0.0.1', 1)"]


def test_a_name_that_is_not_found_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the lookup is passed on."""
    errors = []

    def look_up(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    async def work(_: asyncio.Event) -> None:
        try:
            await asyncio.open_connection(NAME, 1)
        except socket.gaierror as error:
            errors.append(error.errno)

    with beside(work, "beside"):
        eventually(lambda: errors == [socket.EAI_NONAME])


SCRIPT = """
import asyncio, socket, threading, time
from gateway.side_thread import beside
began = threading.Event()
def look_up(*_, **__):
    began.set()
    time.sleep(600)
socket.getaddrinfo = look_up
async def work(stop):
    try:
        async with asyncio.timeout(0.01):
            await asyncio.open_connection("a-store.example", 1)
    except TimeoutError:
        await stop.wait()
with beside(work, "beside"):
    began.wait()
print("end")
"""


def test_the_end_of_the_process_waits_for_no_lookup() -> None:
    """A program ends while a name is still looked up."""
    done = subprocess.run(  # noqa: S603  # our own lines
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("end\n", "")


def in_fork(run: Callable[[], None]) -> int:
    """Start a process that does this; return its id."""
    pid = os.fork()
    if not pid:
        try:
            run()
        finally:
            os._exit(0)
    return pid


def test_a_fork_waits_for_a_step_of_the_work() -> None:
    """No process is forked while the thread may hold a lock of a library."""
    begun, ended = threading.Event(), threading.Event()

    async def work(stop: asyncio.Event) -> None:
        begun.set()
        time.sleep(0.2)  # noqa: ASYNC251  # a step that takes long, such as a handshake
        ended.set()
        await stop.wait()

    with beside(work, "beside"):
        begun.wait(LIMIT)
        child = in_fork(lambda: None)
        assert ended.is_set()
        os.waitpid(child, 0)


def test_a_fork_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that hangs in a step delays a fork, and does not prevent it."""
    monkeypatch.setattr(side_thread, "_STEP", 0.01)
    begun, end = threading.Event(), threading.Event()

    async def work(_: asyncio.Event) -> None:
        begun.set()
        end.wait(LIMIT)

    with beside(work, "beside"):
        begun.wait(LIMIT)
        os.waitpid(in_fork(lambda: None), 0)
        assert not end.is_set()
        end.set()


def test_a_forked_process_lets_go_of_connections() -> None:
    """The other side sees the end of a connection that only this process has closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LIMIT)
        connected = threading.Event()

        async def work(stop: asyncio.Event) -> None:
            _, writer = await asyncio.open_connection(*server.getsockname()[:2])
            connected.set()
            await stop.wait()
            writer.close()
            await writer.wait_closed()

        with beside(work, "beside"):
            other, _ = server.accept()
            other.settimeout(LIMIT)
            connected.wait(LIMIT)
            child = in_fork(lambda: time.sleep(2 * LIMIT))
        try:
            with other:
                assert other.recv(1) == b""
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)
