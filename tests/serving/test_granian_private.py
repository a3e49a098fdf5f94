"""The parts of granian that it does not promise, each checked against the installed version."""

import asyncio
import inspect
import re
import threading
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from types import SimpleNamespace
from typing import Any, NamedTuple

import granian
import pytest
from granian import _granian, _signals
from granian.constants import Interfaces
from granian.server import mp

from gateway.serving import listening
from gateway.serving.granian_private import refuse_connections


class Granian(NamedTuple):
    """The parts of granian that are relied upon; by default the installed ones."""

    signals: Any = _signals
    native: Any = _granian
    supervisor: Any = mp.MPServer
    worker: Any = mp.WorkerProcess


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


def state(it: Granian) -> tuple[object, ...]:
    """Return the state of a supervisor that has not started."""
    server = it.supervisor("target", interface=Interfaces.ASGI)
    interrupt = type(server.main_loop_interrupt)
    return server.wrks, server.interrupt_signal, server.interrupt_children, interrupt


def worker_state(it: Granian) -> tuple[object, ...]:
    """Return the state of a worker that has not started."""
    worker = it.worker(SimpleNamespace(), 1, print, ())
    is_process = isinstance(worker.inner, BaseProcess)
    return worker.idx, worker.interrupt_by_parent, type(worker.birth), is_process


SIGNALS, WORKERS, SERVER = "granian/_signals.py", "granian/server/mp.py", "granian/server/common.py"

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
        "GranianSupervisor._spawn_worker",
        f"{WORKERS}: it must start a worker with what `callback_loader` returns",
        lambda it: takes(
            it.supervisor, "_spawn_worker", "self", "idx", "target", "callback_loader"
        ),
    ),
    "MPServer._serve_loop(spawn_target, target_loader)": Part(
        "GranianSupervisor._serve_loop",
        f"{SERVER}: `_serve` must call it between `startup` and `shutdown`",
        lambda it: (
            takes(it.supervisor, "_serve_loop", "self", "spawn_target", "target_loader")
            and says(it.supervisor, "_serve", r"\.startup\(", r"\._serve_loop\(", r"\.shutdown\(")
        ),
    ),
    "MPServer._respawn_workers(workers, spawn_target, target_loader)": Part(
        "GranianSupervisor._serve_loop",
        f"{SERVER}: it must put the new worker in the place of the old one",
        lambda it: says(
            it.supervisor,
            "_respawn_workers",
            r"\(self, workers, spawn_target, target_loader, delay: float = 0\)",
            r"wrks\.insert\(idx, ",
        ),
    ),
    "MPServer._stop_workers()": Part(
        "GranianSupervisor._stop_workers",
        f"{SERVER}: `shutdown` must call it",
        lambda it: (
            takes(it.supervisor, "_stop_workers", "self")
            and says(it.supervisor, "shutdown", r"self\._stop_workers\(\)")
        ),
    ),
    "exit code 1 with interrupt_children left": Part(
        "GranianSupervisor._serve_loop",
        f"{SERVER}: `shutdown` must exit with 1 if a dead worker was not replaced",
        lambda it: says(it.supervisor, "shutdown", r"self\.interrupt_children:\n +exit_code = 1"),
    ),
    "MPServer.signal_handler_interrupt, .signal_handler_reload": Part(
        "GranianSupervisor",
        f"{SERVER}: `startup` must set both as signal handlers",
        lambda it: says(
            it.supervisor,
            "startup",
            r"set_main_signals\(self\.signal_handler_interrupt, self\.signal_handler_reload\)",
        ),
    ),
    "MPServer.wrks, .interrupt_signal, .interrupt_children, .main_loop_interrupt": Part(
        "GranianSupervisor",
        f"{SERVER}: the supervisor's state",
        lambda it: state(it) == ([], False, [], threading.Event),
    ),
    "WorkerProcess.idx, .interrupt_by_parent, .birth, .inner": Part(
        "GranianSupervisor",
        f"{SERVER}: a worker's number, start time and process",
        lambda it: worker_state(it) == (1, False, float, True),
    ),
    "WorkerProcess._watcher": Part(
        "GranianSupervisor._serve_loop",
        f"{SERVER}: it must report a worker's end unless `interrupt_by_parent`",
        lambda it: says(
            it.worker,
            "_watcher",
            r"if not self\.interrupt_by_parent:",
            r"\.interrupt_children\.append\(self\.idx\)\n +self\.parent\.main_loop_interrupt\.set",
        ),
    ),
    "WorkerProcess.terminate, .kill": Part(
        "GranianSupervisor._stop_workers",
        f"{WORKERS}: they must send SIGTERM and SIGKILL",
        lambda it: (
            says(it.worker, "terminate", r"self\.inner\.terminate\(\)")
            and says(it.worker, "kill", r"self\.inner\.kill\(\)")
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
    reason = change(name, Granian(stand_in, stand_in, stand_in, stand_in))
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


async def test_the_listening_socket_can_be_taken_from_granian() -> None:
    """New connections are refused, and those that were accepted are still served."""
    async with listening(ok, 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for refuse in (False, True):
            if refuse:
                refuse_connections(port)
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            async with asyncio.timeout(20):
                assert b" 200 " in await reader.readline()
                while await reader.readline() != b"\r\n":
                    pass
        writer.close()
        await writer.wait_closed()
