"""The servers of the benchmark, each pinned to a core."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from gateway.identity import ClaimRules, mint

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CACHE = HERE / ".cache"
SERVER_CORE, LOAD_CORE = "0", "1"

ACCESS_KEY, SECRET_KEY = "bench-access-key", "bench-secret-key"
JWT_SECRET = secrets.token_urlsafe(32)
ROOM = "/v1/rooms/1882578996483325952"

LOGGING = {"GATEWAY_ACCESS_LOG": "on"}
"""One line per request."""

NO_CACHE = {
    "GATEWAY_CACHE_TTL": "0",
    "GATEWAY_CACHE_STALE_WHILE_REVALIDATE": "0",
    "GATEWAY_CACHE_STALE_IF_ERROR": "0",
    "GATEWAY_CACHE_NEGATIVE_TTL": "0",
}
"""Every read is a miss."""

_NOT_IN_THE_WAY = {
    "GATEWAY_RATE_LIMIT_READS": "999999999/minute",
    "GATEWAY_RATE_LIMIT_WRITES": "999999999/minute",
    "GATEWAY_MAX_CONCURRENCY": "20000",
}
"""Limits that count every request and refuse none."""

_GO_PEER = CACHE / "go-peer"

_PYTHON_PEERS = ("fastapi==0.128.0", "uvicorn[standard]==0.54.0", "pyjwt==2.15.1", "httpx==0.28.1")


class Server(Struct, frozen=True):
    """A command that serves HTTP on `port`; `env` is added to this process's environment."""

    name: str
    port: int
    command: tuple[str, ...]
    env: Mapping[str, str]

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"


def token(user_id: str = "bob", scopes: Sequence[str] = (), ttl: int = 86400) -> str:
    """Return a token accepted by every server."""
    rules = ClaimRules(issuer=None, audience=None, leeway=10)
    return mint(JWT_SECRET, user_id, rules, scopes=scopes, now=time.time(), ttl=ttl)


@contextmanager
def running(server: Server, bearer: str, core: str = SERVER_CORE) -> Iterator[Server]:
    """Run `server` on `core` until the block is left."""
    with process(server, bearer, core):
        yield server


@contextmanager
def process(server: Server, bearer: str, core: str = SERVER_CORE) -> Iterator[int]:
    """Run `server` on `core` until the block is left; give its process id."""
    popen = subprocess.Popen(
        ["taskset", "-c", core, *server.command],
        env=os.environ | server.env,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,  # some log each request
        start_new_session=True,
    )
    try:
        _wait(server, bearer, popen)
        yield popen.pid
    finally:
        popen.terminate()  # not the group: the server ends its workers
        try:
            popen.wait(timeout=15)  # more than the gateway's grace
        except subprocess.TimeoutExpired:
            os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()


def upstream(delay: float = 0) -> Server:
    """Return an upstream of almost no cost that answers after `delay` seconds."""
    return _bare("upstream", {"BENCH_DELAY": str(delay)})


def floor(body: str) -> Server:
    """Return a bare ASGI application that sends `body`."""
    return _bare("floor", {"BENCH_BODY": body})


def gateway(
    upstream_url: str, *, factory: str | None = None, extra: Mapping[str, str] | None = None
) -> Server:
    """Return the gateway as run by `gateway serve`, or from another application factory."""
    port = free_port()
    env = {**_gateway(upstream_url, port), **_NOT_IN_THE_WAY, **(extra or {})}
    if factory is None:
        return Server("gateway", port, (sys.executable, "-m", "gateway", "serve"), env)
    granian = (*_granian("asgi", port), "--factory", factory)
    return Server(f"gateway, {factory}", port, granian, env)


def watched(upstream_url: str, extra: Mapping[str, str]) -> Server:
    """Return the gateway with its default limits, watching itself."""
    port = free_port()
    command = (sys.executable, "-m", "tests.bench.watched")
    return Server("gateway, watched", port, command, {**_gateway(upstream_url, port), **extra})


def faulty() -> Server:
    """Return the misbehaving upstream."""
    port = free_port()
    return Server("faulty", port, (sys.executable, "-m", "tests.bench.faulty", str(port)), {})


def fastify(
    upstream_url: str,
    *,
    cache: bool,
    metrics: bool = True,
    log: bool = False,
    tuned: bool = False,
) -> Server:
    """Return the Node peer, with a rate limiter like the gateway's."""
    port = free_port()
    env = {
        **_peer(upstream_url, port),
        "NODE_ENV": "production",
        "NODE_PATH": str(CACHE / "node" / "node_modules"),
        "BFF_CACHE": "on" if cache else "off",
        "BFF_LIMITER": "on",
        "BFF_METRICS": "on" if metrics else "off",
        "BFF_LOG": "on" if log else "off",
        "BFF_TUNED": "on" if tuned else "off",
    }
    parts = ["limiter", *(["metrics"] if metrics else []), *(["log"] if log else [])]
    name = f"Fastify{' tuned' if tuned else ''}, {', '.join(parts)} on"
    return Server(name, port, ("node", str(HERE / "peers" / "bff.js")), env)


def go(upstream_url: str, *, cache: bool) -> Server:
    """Return the Go peer, on one core."""
    port = free_port()
    env = {
        **_peer(upstream_url, port),
        "BFF_CACHE": "on" if cache else "off",
        "GOMAXPROCS": "1",
    }
    return Server("Go net/http", port, (str(_GO_PEER),), env)


def fastapi(upstream_url: str) -> Server:
    """Return the usual Python peer."""
    port = free_port()
    command = (
        str(CACHE / "python" / "bin" / "python"),
        *("-m", "uvicorn", "--app-dir", str(HERE / "peers"), "--port", str(port)),
        *("--log-level", "warning", "--no-access-log", "bff:app"),
    )
    return Server("FastAPI", port, command, _peer(upstream_url, port))


def install_peers() -> None:
    """Install the peers' packages under `.cache`, once; build the Go peer, if Go is here."""
    if _has("go", "golang-go"):
        command = ("go", "build", "-o", str(_GO_PEER), ".")
        subprocess.run(command, cwd=HERE / "peers" / "go", check=True)
    node, python = CACHE / "node", CACHE / "python"
    if _has("node", "nodejs") and _has("npm", "npm") and not (node / "node_modules").is_dir():
        node.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "peers" / "package.json", node)
        npm = ("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent")
        subprocess.run(npm, cwd=node, check=True)
    if not (python / "bin" / "uvicorn").is_file():
        subprocess.run((sys.executable, "-m", "venv", str(python)), check=True)
        pip = (str(python / "bin" / "python"), "-m", "pip", "install", "-q")
        subprocess.run((*pip, *_PYTHON_PEERS), check=True)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_here(server: Server) -> bool:
    """Return whether a server's program is on this machine."""
    return shutil.which(server.command[0]) is not None


def _has(name: str, package: str) -> bool:
    found = shutil.which(name) is not None
    if not found:
        get = f"on Debian, apt-get install {package}"
        print(f"{name} is not here, so rows go without it: {get}", file=sys.stderr)
    return found


def _bare(name: str, env: Mapping[str, str]) -> Server:
    port = free_port()
    return Server(name, port, (*_granian("asginl", port), f"tests.bench.peers.bare:{name}"), env)


def _granian(interface: str, port: int) -> tuple[str, ...]:
    granian = (sys.executable, "-m", "granian", "--interface", interface, "--http", "1", "--no-ws")
    return (*granian, "--log-level", "error", "--port", str(port))


def _gateway(upstream_url: str, port: int) -> dict[str, str]:
    return {
        "GATEWAY_ACCESS_KEY": ACCESS_KEY,
        "GATEWAY_SECRET_KEY": SECRET_KEY,
        "GATEWAY_JWT_SECRET": JWT_SECRET,
        "GATEWAY_UPSTREAM_URL": upstream_url,
        "GATEWAY_PORT": str(port),
        "GATEWAY_METRICS_PORT": str(free_port()),
        "GATEWAY_ACCESS_LOG": "off",
    }


def _peer(upstream_url: str, port: int) -> dict[str, str]:
    return {
        "BFF_UPSTREAM": upstream_url,
        "BFF_ACCESS_KEY": ACCESS_KEY,
        "BFF_SECRET_KEY": SECRET_KEY,
        "BFF_JWT_SECRET": JWT_SECRET,
        "BFF_PORT": str(port),
    }


def _wait(server: Server, bearer: str, process: subprocess.Popen[bytes]) -> None:
    headers = {"Authorization": f"Bearer {bearer}"}
    request = urllib.request.Request(server.url + ROOM, headers=headers)  # noqa: S310  # loopback
    for _ in range(200):
        try:
            with urllib.request.urlopen(request, timeout=5):  # noqa: S310  # loopback
                return
        except urllib.error.HTTPError as error:
            sys.exit(f"{server.name} answers {error.code}")
        except OSError:
            if process.poll() is not None:
                sys.exit(f"{server.name} ended with code {process.returncode}")
            time.sleep(0.05)
    sys.exit(f"{server.name} does not answer at {server.url}")
