"""The sandbox on systems other than Linux, as far as Linux can show it."""

import os
import signal
import socket
import subprocess
import sys
from textwrap import dedent

import httpx
import pytest

from gateway.serving import granian_private
from tests.commands import CRASH, end, environment, free_port, until_printed

LIKE_WINDOWS = dedent(
    """
    import os, select, signal, socket, sys
    from functools import partial

    socket.socketpair = partial(socket.socketpair, socket.AF_UNIX)  # for asyncio's own use here
    for module, names in {
        os: "fork forkpty register_at_fork O_NONBLOCK O_CLOEXEC set_blocking getuid geteuid",
        select: "PIPE_BUF poll epoll",
        signal: "SIGHUP SIGUSR1 SIGUSR2 SIGKILL SIGCHLD SIGALRM pthread_sigmask setitimer",
        socket: "AF_UNIX SO_REUSEPORT TCP_USER_TIMEOUT",
    }.items():
        for name in names.split():
            delattr(module, name)
    for name in "fcntl grp pty pwd resource termios tty uvloop".split():
        sys.modules[name] = None

    import asyncio

    def no_signals(*_):
        raise NotImplementedError

    asyncio.SelectorEventLoop.add_signal_handler = no_signals

    from gateway.__main__ import main

    sys.argv[0] = "gateway"
    main()
    """
)
"""What Windows does not have is not there, whoever asks for it; then the command runs."""


def like_windows(*arguments: str) -> subprocess.Popen[str]:
    """Start a command without what Windows lacks."""
    return subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-c", LIKE_WINDOWS, *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_needs_no_fork_and_no_unix_socket() -> None:
    """Without them, and without the modules that only Unix has, rooms are created and read."""
    port = free_port()
    with like_windows("sandbox", f"--port={port}", "--upstream-port=0") as process:
        text = until_printed(process, "Ctrl-C")
        alice = text.partition("ALICE=")[2].split()[0]
        room = httpx.post(
            f"http://127.0.0.1:{port}/v1/rooms",
            json={"title": "t"},
            headers={"Authorization": f"Bearer {alice}"},
            trust_env=False,
        )
        assert room.status_code == 201, room.text
        end(process, signal.SIGINT)


def test_serve_says_that_it_needs_fork() -> None:
    """Where there is none, `serve` ends with a reason, and names what runs there."""
    with like_windows("serve") as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert not CRASH.search(errors)
    assert errors.startswith("gateway: serve needs a system with fork")


@pytest.mark.parametrize(
    ("system", "given"), [("linux", (False, 4096)), ("darwin", (False,)), ("win32", ())]
)
def test_granian_gets_the_socket_as_it_expects(
    monkeypatch: pytest.MonkeyPatch, system: str, given: tuple[object, ...]
) -> None:
    """It listens itself on Linux only; elsewhere the socket must listen, and has fewer options."""
    got: list[object] = []
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(granian_private, "SocketHolder", lambda *each: got.extend(each))
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        granian_private.EmbeddedServer(object(), kept.dup(), 1)
        assert kept.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == (system != "linux")
    descriptor, *options = got
    os.close(int(str(descriptor)))
    assert tuple(options) == given
