"""`gateway sandbox` and `gateway serve` serve and end well as real processes."""

import json
import re
import shutil
import signal
import socket
import subprocess
import time
from typing import Any

import jwt
import pytest

from tests import clients
from tests.commands import SECRET, behind, end, free_port, is_open, started, until_printed
from tests.conftest import running_sandbox
from tests.waiting import eventually


def commands_in(welcome: str) -> str:
    """Return the indented lines of the sandbox's text as a script."""
    lines = welcome.partition("Two users")[2].splitlines()
    return "\n".join(["set -e", *(line for line in lines if line.startswith("  "))])


@pytest.mark.parametrize("dialect", ["documented", "legacy"])
def test_the_sandbox_runs_the_session_that_it_prints(dialect: str) -> None:
    """The curl lines that it prints work as pasted, and Ctrl-C stops both servers."""
    bash, curl = shutil.which("bash"), shutil.which("curl")
    if bash is None or curl is None:
        pytest.skip("needs bash and curl")
    ports = free_port(), free_port()
    options = [f"--port={ports[0]}", f"--upstream-port={ports[1]}", f"--dialect={dialect}"]
    with started("sandbox", *options) as process:
        welcome = until_printed(process, "Ctrl-C")
        first = re.search("http://[^ ]+", welcome)
        assert first
        assert first[0] == f"http://127.0.0.1:{ports[0]}/console"
        assert f"http://127.0.0.1:{ports[1]}" in welcome
        session = subprocess.run(  # noqa: S603  # what we print
            [bash, "-c", commands_in(welcome)],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        bobs, alices = _rooms(session.stdout)
        assert "push_url" not in bobs
        assert alices["push_url"].startswith("rtmp://")
        assert session.stdout.count("HTTP/1.1 204") == 3
        assert '"total":2' in session.stdout  # hers, and the example
        log = end(process, signal.SIGINT)
    assert not any(map(is_open, ports))
    for token in re.findall("(?:ALICE|BOB)=(.*)", welcome):
        assert token not in log
    assert "push_url" not in log


def _rooms(output: str) -> list[Any]:
    """Return the JSON objects at the start of `output`."""
    decoder, rooms = json.JSONDecoder(), []
    while output.startswith("{"):
        room, end_of_it = decoder.raw_decode(output)
        rooms.append(room)
        output = output[end_of_it:]
    return rooms


def test_the_sandbox_stops_with_connections_open() -> None:
    """The sandbox stops while clients are connected, without a crash at exit."""
    ports = free_port(), free_port()
    options = [f"--port={ports[0]}", f"--upstream-port={ports[1]}"]
    with started("sandbox", *options) as process:
        token = re.findall("ALICE=(.*)", until_printed(process, "Ctrl-C"))[0]
        url = f"http://127.0.0.1:{ports[0]}/v1/rooms"
        with clients.client(headers={"Authorization": f"Bearer {token}"}) as client:
            assert client.post(url, json={"title": "t"}).status_code == 201
            with socket.create_connection(("127.0.0.1", ports[0])):
                end(process, signal.SIGINT)


def test_serve_serves_until_sigterm() -> None:
    """A gateway with two workers answers real requests until SIGTERM ends it with 0."""
    port = free_port()
    with running_sandbox() as sandbox:
        environ = {**behind(sandbox), "GATEWAY_PORT": str(port), "GATEWAY_WORKERS": "2"}
        headers = {"Authorization": f"Bearer {_token('alice')}"}
        with (
            started("serve", **environ) as process,
            clients.client(f"http://127.0.0.1:{port}", headers) as client,
        ):
            eventually(lambda: clients.is_ready(port))
            created = client.post("/v1/rooms", json={"title": "t"})
            assert created.status_code == 201
            for _ in range(20):
                assert client.get(created.headers["Location"]).json()["push_url"]
            output = end(process, signal.SIGTERM)
        assert not is_open(port)
    assert json.loads(output.splitlines()[0])["event"] == "starting"
    for secret in (SECRET, environ["GATEWAY_SECRET_KEY"], headers["Authorization"], "rtmp://"):
        assert secret not in output


def _token(user_id: str) -> str:
    return jwt.encode({"sub": user_id, "exp": time.time() + 60}, SECRET, algorithm="HS256")
