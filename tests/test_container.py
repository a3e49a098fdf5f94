"""The Dockerfile, as far as it can be tested without a build; `.ci/container` builds and runs."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway import __version__
from gateway.settings import Settings, variables
from tests.commands import free_port
from tests.served import served

DOCKERFILE = Path(__file__).parents[1].joinpath("Dockerfile").read_text(encoding="utf-8")
IMAGE = DOCKERFILE.replace("\\\n", "").rpartition("\nFROM ")[2]
"""The last stage, an instruction a line."""

ENV = dict(re.findall(r"(GATEWAY_\w+)=(\S+)", IMAGE))
VARIABLES = {each.name: each for each in variables(Settings)}


def argument(instruction: str) -> str:
    """Return what stands behind an instruction of the last stage."""
    found = re.search(rf"^{instruction} (.*)$", IMAGE, re.MULTILINE)
    assert found, instruction
    return found[1]


@contextmanager
def health_check(port: int, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the image's health check with its environment, of a gateway on `port`."""
    python, *arguments = json.loads(argument("HEALTHCHECK").partition(" CMD ")[2])
    assert python == "python"
    with subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, *arguments],
        env={**ENV, "GATEWAY_PORT": str(port), **environ},
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_settings() -> None:
    """The image sets valid settings: to listen on every interface of the container."""
    assert set(ENV) == {"GATEWAY_HOST", "GATEWAY_METRICS_HOST"}
    assert {VARIABLES[name].parse(text) for name, text in ENV.items()} == {"0.0.0.0"}  # noqa: S104  # the container's own


def test_ports() -> None:
    """The image names the ports that the gateway listens on by default."""
    names = "GATEWAY_PORT", "GATEWAY_METRICS_PORT"
    assert argument("EXPOSE").split() == [VARIABLES[name].default for name in names]


def test_version() -> None:
    """The image says which version it has."""
    assert f'org.opencontainers.image.version="{__version__}"' in argument("LABEL")


def test_a_healthy_gateway() -> None:
    """The health check passes for a gateway that runs, without using a proxy."""
    with served() as gateway, health_check(gateway.port, http_proxy="http://127.0.0.1:9") as check:
        assert check.wait(timeout=60) == 0


def test_no_gateway() -> None:
    """The health check fails if nothing listens."""
    with health_check(free_port()) as check:
        assert check.wait(timeout=60) != 0


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"", marks=pytest.mark.slow, id="none"),  # for as long as the image says
        pytest.param(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", id="an error"),
    ],
)
def test_an_unhealthy_gateway(reply: bytes) -> None:
    """The health check fails by itself if there is no answer, or a bad one."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        health_check(server.getsockname()[1]) as check,
        server.accept()[0] as connection,
    ):
        connection.sendall(reply)
        assert check.wait(timeout=60) != 0
