"""Clients that drip or do nothing are cut in time, and others do not notice them.

All of it happens at once in front of one gateway, because most of it is waiting.
"""

import asyncio
import http.client
import json
import resource
import subprocess
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from statistics import quantiles
from typing import Any

import msgspec
import pytest

from tests.commands import ROOT, environment
from tests.live.dripping import Fate, Kind, Report
from tests.live.fault_server import rooms, serving
from tests.served import Served, served, token
from tests.waiting import LIMIT, eventually

pytestmark = pytest.mark.slow  # for the fixed times of the server

CROWD = 2000
"""Clients that drip heads, and as many that drip bodies."""

NOISE = 0.1
"""Seconds by which a good client's p99 may differ without a cause."""

HEAD = "POST /v1/rooms HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
"""Of a create that nobody is signed in for; more headers may follow."""


DOCS = "/docs/swagger-ui-bundle.js"
"""The largest answer there is, 1.4 MB."""

UNREAD = 20
"""Requests for it on one connection."""


def slow_clients() -> list[Kind]:
    """Return every way of being slow."""
    signed_in = f"{HEAD}Authorization: Bearer {token('alice')}\r\n"
    health = "GET /healthz HTTP/1.1\r\nHost: x\r\n"
    return [
        Kind("heads", HEAD, "x: y\r\n", CROWD),
        Kind("bodies", f"{signed_in}Content-Length: 60000\r\n\r\n", " ", CROWD),
        Kind("chunks", f"{signed_in}Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"),
        Kind("crumbs", f"{signed_in}Transfer-Encoding: chunked\r\n\r\n" + "1\r\n \r\n" * 60_000),
        Kind("stalled body", f"{signed_in}Content-Length: 2\r\n\r\n{{"),
        Kind("expected body", f"{signed_in}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"),
        Kind("body of nobody", f"{HEAD}Content-Length: 60000\r\n\r\n", " "),
        Kind("unwanted body", f"{health}Content-Length: 60000\r\n\r\n", " "),
        Kind("nothing", ""),
        Kind("stalled head", HEAD),
        Kind("one request", f"{health}\r\n"),
    ]


@dataclass
class Storm:
    """The fates of all slow clients, and the latencies of a good client before and with them.

    `late` are the seconds by which this machine is late in each tenth of a second.
    """

    connected: int
    fates: dict[str, list[Fate]]
    late: list[float]
    before: list[float]
    during: list[float]
    unread: bytes
    same_worker: bool
    log: str


@pytest.fixture(scope="module")
def storm() -> Storm:
    """All slow clients at the same time in front of one gateway."""
    _, descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors < 2 * CROWD + 500:
        pytest.skip("a process may not have that many connections here")

    async def run() -> Storm:
        async with serving(rooms) as upstream:
            return await asyncio.to_thread(_storm, upstream.url)

    return asyncio.run(run())


def _storm(upstream_url: str) -> Storm:
    unread = b""
    with served(upstream_url, KEEPALIVE_TIMEOUT="8") as gateway, gateway.connect() as deaf:
        workers = gateway.workers()
        last = f"GET {DOCS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        deaf.sendall((f"GET {DOCS} HTTP/1.1\r\nHost: x\r\n\r\n" * (UNREAD - 1) + last).encode())
        before = latencies(gateway, 2)
        with _dripping(gateway) as program:
            assert program.stdin is not None
            assert program.stdout is not None
            with program.stdin as kinds:
                kinds.write(msgspec.json.encode(slow_clients()))
            connected = int(program.stdout.readline())
            during = latencies(gateway, 4)
            report = msgspec.json.decode(program.stdout.read(), type=Report)
        eventually(lambda: not gateway.is_connected_to(deaf))
        with suppress(ConnectionError):
            for part in iter(lambda: deaf.recv(1 << 20), b""):
                unread += part
        same_worker = gateway.workers() == workers
        log = gateway.stop()
    return Storm(connected, report.fates, report.late, before, during, unread, same_worker, log)


def _dripping(gateway: Served) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", "tests.live.dripping", str(gateway.port)],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def latencies(gateway: Served, seconds: float) -> list[float]:
    """Read a room over and over, on a kept connection and on new ones; return the seconds taken."""
    kept = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=LIMIT)
    headers = {"Authorization": f"Bearer {token('bob')}"}
    taken: list[float] = []
    end = time.monotonic() + seconds
    with closing(kept):
        while (begun := time.monotonic()) < end:
            new = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=LIMIT)
            with closing(new):
                connection = new if len(taken) % 10 == 0 else kept
                connection.request("GET", "/v1/rooms/1", headers=headers)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == HTTPStatus.OK
            taken.append(time.monotonic() - begun)
            time.sleep(0.002)
    return taken


def p99(taken: list[float]) -> float:
    """Return the 99th percentile."""
    return quantiles(taken, n=100)[98]


def problem(fate: Fate) -> Any:
    """Return the problem that a client was told."""
    head, _, body = fate.reply.rpartition("\r\n\r\n")
    assert "content-type: application/problem+json" in head
    return json.loads(body)


def is_cut(storm: Storm, fate: Fate, earliest: float, latest: float) -> bool:
    """Return True if a client was cut between these seconds, or as late as this machine is."""
    return fate.cut and earliest < fate.seconds < latest + sum(storm.late)


def test_all_of_them_are_there_at_once(storm: Storm) -> None:
    """All slow clients but two are still connected when the good client is measured."""
    assert storm.connected >= 2 * CROWD + 6


def test_dripped_heads_are_cut_within_10_seconds(storm: Storm) -> None:
    """Dripped heads are cut within 10 s without an answer, but not before 5 s."""
    for fate in storm.fates["heads"]:
        assert fate.reply == ""
        assert is_cut(storm, fate, 5, 10)


def test_dripped_bodies_are_cut_within_15_seconds(storm: Storm) -> None:
    """Dripped bodies are cut within 15 s, with the reason."""
    for fate in storm.fates["bodies"]:
        assert is_cut(storm, fate, 9.5, 15)
        told = problem(fate)
        assert (told["status"], told["code"]) == (400, "invalid_request")
        assert told["errors"] == [{"field": "body", "message": "did not arrive within 10 s"}]


def test_a_good_client_does_not_notice(storm: Storm) -> None:
    """Every request of a good client is answered, and its p99 at most doubles."""
    assert min(len(storm.before), len(storm.during)) > 20
    assert p99(storm.during) < 2 * p99(storm.before) + NOISE + 2 * max(storm.late)


def test_nothing_else_suffers(storm: Storm) -> None:
    """The worker of the start is still there, and has logged nothing but a missing token, once."""
    assert storm.same_worker
    events = [json.loads(line)["event"] for line in storm.log.splitlines()]
    assert events == ["starting", "token_refused"], storm.log


@pytest.mark.parametrize("kind", ["chunks", "crumbs", "stalled body", "expected body"])
def test_any_slow_body_is_cut(storm: Storm, kind: str) -> None:
    """A slow body is cut in every form: chunked, stalled, or in 60,000 pieces at once."""
    (fate,) = storm.fates[kind]
    assert is_cut(storm, fate, 9.5, 15)
    assert problem(fate)["errors"][0]["field"] == "body"


@pytest.mark.parametrize(
    ("kind", "status"), [("body of nobody", "401 Unauthorized"), ("unwanted body", "200 OK")]
)
def test_a_body_that_nobody_reads_is_not_waited_for(storm: Storm, kind: str, status: str) -> None:
    """The answer to a request whose body is not read comes at once and closes the connection."""
    (fate,) = storm.fates[kind]
    assert fate.reply.startswith(f"HTTP/1.1 {status}\r\n")
    assert is_cut(storm, fate, 0, 5)


@pytest.mark.parametrize(
    ("kind", "reply"), [("nothing", ""), ("stalled head", ""), ("one request", "HTTP/1.1 200 OK")]
)
def test_idle_connections_are_closed(storm: Storm, kind: str, reply: str) -> None:
    """Idle connections are closed before the first request, within one, and after one."""
    (fate,) = storm.fates[kind]
    assert fate.reply.partition("\r\n")[0] == reply
    assert is_cut(storm, fate, 5, 12)


def test_a_client_that_does_not_read_is_cut(storm: Storm) -> None:
    """A client that does not read is cut within its first answer, and the others never begin."""
    assert storm.unread.count(b"HTTP/1.1 200 OK\r\n") == 1
    assert len(storm.unread) < 1_000_000
