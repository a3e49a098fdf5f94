"""The parts of granian that it does not promise, each checked against the installed version."""

import asyncio
import inspect
import os
import re
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import granian
import pytest
from granian import _granian, _signals
from granian.constants import Interfaces
from granian.errors import FatalError
from granian.server import embed, mp

from gateway.serving import LOOPBACK, PortTaken, bind, listening
from gateway.serving.granian_private import refuse_connections


class Granian(NamedTuple):
    """The parts of granian that are relied upon; by default the installed ones."""

    signals: Any = _signals
    native: Any = _granian
    supervisor: Any = mp.MPServer
    worker: Any = mp.WorkerProcess
    embedded: Any = embed.Server


class Part(NamedTuple):
    """A private part: the gateway's use of it, the place to look at, and a check."""

    used: str
    look: str
    holds: Callable[[Granian], bool]


def takes(owner: Any, name: str, *parameters: str) -> bool:
    """Return True if the function `name` has exactly these parameters."""
    return (*inspect.signature(getattr(owner, name)).parameters,) == parameters


def says(owner: Any, name: str, *patterns: str) -> bool:
    """Return True if the source of the function `name` has these patterns, in this order."""
    source = inspect.getsource(getattr(owner, name))
    return re.search(r"(?s:.*)".join(patterns), source) is not None


def sockets(server: Any) -> tuple[object, ...]:
    """Return the sockets of a server that has not started."""
    server = server("target", interface=Interfaces.ASGI)
    return server._ssp, server._shd  # noqa: SLF001  # it is about private parts


def worker_process(it: Granian) -> object:
    """Return the process of a worker that has not started."""
    return it.worker(SimpleNamespace(), 1, print, ()).inner


def holds(it: Granian) -> bool:
    """Return True if a holder is made of a descriptor and has no other."""
    with socket.socket() as listener:
        descriptor = os.dup(listener.fileno())
    holder = it.native.SocketHolder(descriptor, False, 1)  # noqa: FBT003  # has no keyword
    held, of_a_path = holder.get_fd(), holder.is_uds()
    os.close(descriptor)
    return (held, of_a_path) == (descriptor, False)


SIGNALS, WORKERS, SERVER = "granian/_signals.py", "granian/server/mp.py", "granian/server/common.py"
EMBEDDED = "granian/server/embed.py"

PARTS: Mapping[str, Part] = {
    "_signals.set_loop_signals(loop)": Part(
        "replace_signal_handlers",
        f"{SIGNALS}: it must set a worker's signal handlers",
        lambda it: takes(it.signals, "set_loop_signals", "loop"),
    ),
    "set_loop_signals, imported when a worker starts": Part(
        "replace_signal_handlers",
        f"{WORKERS}: an earlier import would keep granian's own handlers",
        lambda it: says(
            it.supervisor,
            "_spawn_asgi_lifespan_worker",
            r"from granian\._signals import set_loop_signals\n",
            r"shutdown_event = set_loop_signals\(loop\)",
        ),
    ),
    "_granian.WorkerSignal.set, .add_cb": Part(
        "replace_signal_handlers",
        "granian/_granian.pyi: it must stop a worker",
        lambda it: {"set", "add_cb"} <= {*dir(it.native.WorkerSignal())},
    ),
    "MPServer._spawn_worker(idx, target, callback_loader)": Part(
        "GranianWorker.run",
        f"{WORKERS}: it must make a worker with what `callback_loader` returns, from these sockets",
        lambda it: (
            takes(it.supervisor, "_spawn_worker", "self", "idx", "target", "callback_loader")
            and says(
                it.supervisor,
                "_spawn_worker",
                r"WorkerProcess\(",
                r"callback_loader,\n +\(\(self\._ssp, self\._shd\), self\._sso\),\n",
            )
        ),
    ),
    "WorkerProcess.inner": Part(
        "GranianWorker.run",
        f"{WORKERS}: it must be a process that can run its target in this one",
        lambda it: isinstance(worker_process(it), BaseProcess),
    ),
    "MPServer._ssp, ._shd": Part(
        "GranianWorker",
        f"{SERVER}: a server has no socket before it starts",
        lambda it: sockets(it.supervisor) == (None, None),
    ),
    "_granian.SocketHolder(fd, uds, backlog)": Part(
        "GranianWorker, EmbeddedServer",
        "granian/_granian.pyi: it must listen on the descriptor",
        holds,
    ),
    "embed.Server._init_shared_socket, ._ssp, ._shd": Part(
        "EmbeddedServer",
        f"{EMBEDDED}: `startup` must make the socket by it, and workers must get it",
        lambda it: (
            sockets(it.embedded) == (None, None)
            and says(it.embedded, "startup", r"self\._init_shared_socket\(\)")
            and says(it.embedded, "_spawn_worker", r"\(self\._ssp, self\._shd\)")
        ),
    ),
}


def change(name: str, it: Granian) -> str:
    """Return the reason why the gateway cannot rely on a part; empty if it can."""
    part = PARTS[name]
    try:
        if part.holds(it):
            return ""
        cause = "it is different"
    except (AttributeError, TypeError) as error:
        cause = str(error)
    return (
        f"granian {granian.__version__} has changed a private part: {name} ({cause}). "
        f"gateway/serving/granian_private.py uses it in {part.used}. Look at {part.look}."
    )


@pytest.mark.parametrize("name", PARTS)
def test_the_installed_granian_has_the_part(name: str) -> None:
    """The installed granian has every private part that the gateway relies on."""
    assert not change(name, Granian())


def nothing() -> None:
    """Do nothing."""


class Changed:
    """A stand-in with every attribute, none of them as before."""

    def __call__(self, *_: object, **__: object) -> "Changed":
        """Return itself, as an instance of it."""
        return self

    def __getattr__(self, _: str) -> Callable[[], None]:
        return nothing


@pytest.mark.parametrize("stand_in", [SimpleNamespace(), Changed()], ids=["without", "changed"])
@pytest.mark.parametrize("name", PARTS)
def test_a_changed_part_is_reported(name: str, stand_in: object) -> None:
    """A missing or changed part fails its check with its name, its use and the place to look at."""
    reason = change(name, Granian(stand_in, stand_in, stand_in, stand_in, stand_in))
    assert name in reason
    assert PARTS[name].used in reason
    assert PARTS[name].look in reason


async def ok(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer every request with an empty 200."""
    if scope["type"] == "lifespan":
        for stage in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{stage}.complete"})
        return
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def descriptor_of(port: int) -> int:
    """Return the descriptor of this process that listens on a port."""
    for each in sorted(int(entry.name) for entry in Path("/dev/fd").iterdir()):
        with suppress(OSError), socket.socket(fileno=os.dup(each)) as candidate:
            listens = candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if listens and candidate.getsockname() == (LOOPBACK, port):
                return each
    raise AssertionError(f"nothing listens on {port}")


async def get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Get an answer on this connection."""
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(20):
        assert b" 200 " in await reader.readline()
        while await reader.readline() != b"\r\n":
            pass


async def test_the_listening_socket_can_be_taken_from_granian() -> None:
    """New connections are refused, and those that were accepted are still served."""
    async with listening(ok, 0) as port:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        await get(reader, writer)
        refuse_connections(descriptor_of(port))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(LOOPBACK, port)
        await get(reader, writer)
        writer.close()
        await writer.wait_closed()


async def test_a_socket_that_others_hold_is_left_to_them() -> None:
    """A server that gave its socket up accepts nothing from it, and stops, while others do."""
    async with listening(ok, 0) as port:
        first = await asyncio.open_connection(LOOPBACK, port)
        await get(*first)  # all that came before it is accepted
        held = descriptor_of(port)
        with socket.socket(fileno=os.dup(held)) as shared:
            refuse_connections(held)
            second = await asyncio.open_connection(LOOPBACK, port)
            shared.settimeout(0)
            accepted, _ = await asyncio.get_running_loop().sock_accept(shared)
            accepted.close()
            async with asyncio.timeout(20):
                assert await second[0].read() == b""
        for _, writer in (first, second):
            writer.close()
            await writer.wait_closed()


async def test_a_port_is_exclusive() -> None:
    """A second server on the port is refused, and the first goes on."""
    async with listening(ok, 0) as port:
        with pytest.raises(PortTaken):
            bind(LOOPBACK, port)
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        await get(reader, writer)
        writer.close()
        await writer.wait_closed()


async def test_a_server_that_cannot_start() -> None:
    """An application that fails as it starts ends the block before it begins."""

    async def failing(_: object, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": ""})

    with pytest.raises(FatalError):
        async with listening(failing, 0):
            pytest.fail("it started")
