"""The private listener takes no harm from its clients, and says nothing about them."""

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.registry import Collector

from gateway.telemetry import PrivateRequest, metrics_at, metrics_server
from gateway.telemetry.metrics_server import Admin
from tests import clients
from tests.waiting import LIMIT, eventually

SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
RESET = struct.pack("ii", 1, 0)
CROWD = 300

RUBBISH = {
    "nothing": b"",
    "half a line": b"GET /met",
    "zeros": bytes(1000) + b"\r\n\r\n",
    "a long line": b"A" * 100_000 + b"\r\n\r\n",
    "many headers": b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 30_000 + b"\r\n",
    "no such version": b"GET /metrics HTTP/9.9\r\n\r\n",
    "a body": b"GET /metrics HTTP/1.1\r\nContent-Length: 4301\r\n\r\n" + b"0" * 4301,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n",
}


class Large(Collector):
    """A metric whose text has about `size` bytes."""

    def __init__(self, size: int) -> None:
        self._size = size

    def collect(self) -> Iterator[Metric]:
        """Yield it."""
        yield Metric("large", "x" * self._size, "gauge")


class Empty(Collector):
    """No metric."""

    def collect(self) -> Iterator[Metric]:
        """Yield nothing."""
        yield from ()


@contextlib.contextmanager
def listening(collector: Collector | None = None, admin: Admin | None = None) -> Iterator[int]:
    """Serve a collector's metrics, and `admin`; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with metrics_at(listener, collector or Empty(), admin):
        yield port


class Echo:
    """A response with what was asked for."""

    status = 200

    def __init__(self, request: PrivateRequest) -> None:
        given = b"unread" if request.body is None else request.body
        self.body = f"{request.method} {request.path} ".encode() + given
        self.headers = ((b"content-length", b"%d" % len(self.body)),)


def connected(port: int) -> socket.socket:
    """Return a connection."""
    return socket.create_connection(("127.0.0.1", port), timeout=LIMIT)


def scrape(port: int) -> httpx.Response:
    """Return the answer to a scrape."""
    return clients.get(f"http://127.0.0.1:{port}/metrics")


@pytest.mark.parametrize("rubbish", RUBBISH)
@pytest.mark.parametrize("reset", [True, False])
def test_rubbish_leaves_no_trace(
    rubbish: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    *,
    reset: bool,
) -> None:
    """A client that sends rubbish or resets its connection is not logged, and harms no scrape."""
    with listening() as port:
        for _ in range(5):
            with connected(port) as client:
                with contextlib.suppress(OSError):  # it may be cut off before its end
                    client.sendall(RUBBISH[rubbish])
                if reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        assert scrape(port).status_code == 200
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\n", SCRAPE])
def test_a_crowd_delays_no_scrape(sent: bytes) -> None:
    """Clients that are silent, unfinished or do not read cost no thread, and no scrape fails."""
    with listening(Large(200_000)) as port, contextlib.ExitStack() as crowd:
        threads = threading.active_count()
        for _ in range(CROWD):
            client = crowd.enter_context(connected(port))
            with contextlib.suppress(OSError):  # enough have come since to cut it off
                client.sendall(sent)
            assert threading.active_count() == threads
        assert scrape(port).status_code == 200


def test_the_client_here_longest_gives_way() -> None:
    """Beyond a hundred clients each new one ends the connection of the oldest."""
    with listening() as port, contextlib.ExitStack() as crowd:
        first, *_ = [crowd.enter_context(connected(port)) for _ in range(101)]
        with contextlib.suppress(ConnectionResetError):
            assert first.recv(1) == b""


@pytest.mark.parametrize("sent", [b"", b"GET /", SCRAPE])
def test_a_client_has_some_seconds(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is silent, drips or does not read is cut off in the end."""
    monkeypatch.setattr(metrics_server, "_TIMEOUT", 0.1)
    with listening(Large(16 << 20)) as port, connected(port) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

        def cut_off() -> bool:
            with contextlib.suppress(BlockingIOError):
                try:
                    client.sendall(b"x")
                except ConnectionError:
                    return True
            return False

        client.sendall(sent)
        eventually(cut_off)


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /metrics HTTP/1.0", 200),
        ("GET /metrics?name[]=up HTTP/1.1", 200),
        ("POST /metrics HTTP/1.1", 405),
        ("HEAD /metrics HTTP/1.1", 405),
        ("GET / HTTP/1.1", 404),
        ("GET /metrics/x HTTP/1.1", 404),
        ("GET http://x/metrics HTTP/1.1", 400),
        ("GET /metrics", 400),
        ("GET /admin/x HTTP/1.1", 404),
    ],
)
def test_only_scrapes(request_line: str, status: int) -> None:
    """Only GET of /metrics is answered with metrics."""
    with listening() as port, connected(port) as client:
        client.sendall(f"{request_line}\r\nHost: x\r\n\r\n".encode())
        assert client.recv(100).startswith(f"HTTP/1.1 {status} ".encode())


def test_the_end_of_an_answer_is_seen_beside_a_new_worker() -> None:
    """A connection ends with its answer although a forked worker has inherited it."""
    with listening() as port, connected(port) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n")
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            os.read(reading, 1)
            os._exit(0)
        try:
            client.sendall(b"\r\n")
            while client.recv(1000):
                pass
        finally:
            os.write(writing, b".")
            os.waitpid(pid, 0)
            os.close(reading)
            os.close(writing)


@pytest.mark.parametrize(
    ("method", "length", "told"),
    [
        ("GET", 0, b"GET /admin/a%2Fb "),
        ("PUT", 5, b"PUT /admin/a%2Fb xxxxx"),
        ("PUT", 65_536, b"PUT /admin/a%2Fb " + b"x" * 65_536),
        ("PUT", 65_537, b"PUT /admin/a%2Fb unread"),
        ("PUT", 5_000_000, b"PUT /admin/a%2Fb unread"),
    ],
)
def test_an_operator_is_answered(method: str, length: int, told: bytes) -> None:
    """A body is passed on if it is not too long; else it is discarded, and the answer arrives."""
    with listening(admin=Echo) as port, clients.client() as client:
        url = f"http://127.0.0.1:{port}/admin/a%2Fb?c=d"
        answer = client.request(method, url, content=b"x" * length)
        assert (answer.status_code, answer.content) == (200, told)
        assert scrape(port).status_code == 200


def test_a_request_in_pieces() -> None:
    """Bytes that come one by one are one request, and what comes after it is left out."""
    with listening(admin=Echo) as port, connected(port) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"PUT /admin/x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc":
            client.sendall(bytes([byte]))
        assert client.recv(1000).endswith(b"\r\n\r\nPUT /admin/x abc")
        assert client.recv(1000) == b""


@pytest.mark.parametrize("line", ["a b", "Content-Length: x", "A: \0"])
def test_a_bad_head_reaches_no_operator(line: str) -> None:
    """A head that is not well-formed is a 400."""
    with listening(admin=Echo) as port, connected(port) as client:
        client.sendall(f"GET /admin/x HTTP/1.1\r\n{line}\r\n\r\n".encode())
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")


def test_an_unfinished_body_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that does not come, or a rest that does not end, is given up."""
    monkeypatch.setattr(metrics_server, "_TIMEOUT", 0.1)
    for length in (10, 100_000):
        with listening(admin=Echo) as port, connected(port) as client:
            client.sendall(b"PUT /admin/x HTTP/1.1\r\nContent-Length: %d\r\n\r\nx" % length)
            with contextlib.suppress(ConnectionResetError):
                while client.recv(1000):
                    pass

            def cut_off(client: socket.socket = client) -> bool:
                try:
                    client.sendall(b"x")
                except ConnectionError:
                    return True
                return False

            eventually(cut_off)


def test_a_body_that_is_not_read_is_no_reset() -> None:
    """A client can send a body to its end though its answer is there long before."""
    with listening(admin=Echo) as port, connected(port) as client:
        client.sendall(b"PUT /admin/x HTTP/1.1\r\nContent-Length: 100000\r\n\r\n")
        while client.recv(1000):
            pass
        for _ in range(100):
            client.sendall(b"x" * 1000)
