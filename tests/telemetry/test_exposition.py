"""A scrape shows the sum of all workers, in a form that Prometheus takes."""

import os
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from gateway.telemetry import (
    FAMILIES,
    Exposition,
    Kind,
    Metrics,
    SharedMetrics,
    metrics_at,
    metrics_server,
)
from tests.commands import free_port, is_open
from tests.telemetry.promtool import promtool
from tests.telemetry.samples import values


@contextmanager
def scraped(*blocks: SharedMetrics) -> Iterator[int]:
    """Serve the blocks; give the port."""
    with metrics_at("127.0.0.1", 0, Exposition(blocks, "1.2.3")) as port:
        yield port


def scrape(*blocks: SharedMetrics) -> str:
    """Return what a scrape shows."""
    with (
        scraped(*blocks) as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply,
    ):
        assert reply.headers["Content-Type"].startswith("text/plain; version=")
        return str(reply.read(), "utf-8")


def running_block() -> tuple[SharedMetrics, Metrics]:
    """Return the block of a worker that runs: this process."""
    block = SharedMetrics()
    block.begin()
    return block, Metrics(block)


def test_workers_are_added_up() -> None:
    """Counters, gauges and histograms of all workers are added up."""
    (one, first), (two, second) = running_block(), running_block()
    for metrics in (first, second, second):
        metrics.lookups.inc("hit")
        metrics.upstream_duration.observe(0.02, "read")
    first.cached.set(3, "known")
    second.cached.set(4, "known")
    seen = values(scrape(one, two))
    assert seen["gateway_cache_lookups_total", (("result", "hit"),)] == 3
    assert seen["gateway_cache_rooms", (("kind", "known"),)] == 7
    name = "gateway_upstream_call_duration_seconds"
    read = ("operation", "read")
    assert seen[f"{name}_count", (read,)] == 3
    assert seen[f"{name}_sum", (read,)] == pytest.approx(0.06)
    bounds = {"0.01": 0, "0.025": 3, "+Inf": 3}
    for bound, count in bounds.items():
        assert seen[f"{name}_bucket", (("le", bound), read)] == count


def test_a_worker_that_has_ended() -> None:
    """The counters of a worker that has ended stay, its gauges go."""
    block, metrics = running_block()
    metrics.lookups.inc("hit")
    metrics.cached.set(3, "known")
    block.numbers[0] = 2**22 + 1  # beyond the ids that Linux gives
    seen = values(scrape(block))
    assert seen["gateway_cache_lookups_total", (("result", "hit"),)] == 1
    assert ("gateway_cache_rooms", (("kind", "known"),)) not in seen
    assert seen["gateway_workers", ()] == 0
    assert not [name for name, _ in seen if name.startswith("process_")]


def test_what_is_always_there() -> None:
    """Every family but the two with many series is shown from the start, so that rates work."""
    block, _ = running_block()
    shown = {sample for sample, _ in values(scrape(block))}
    for family in FAMILIES:
        suffix = "_count" if family.kind is Kind.HISTOGRAM else ""
        assert (family.name + suffix in shown) != family.sparse


def test_about_the_processes() -> None:
    """A scrape shows the version, the number of workers and the resources of each."""
    block, _ = running_block()
    seen = values(scrape(block, block))
    assert [dict(labels)["version"] for name, labels in seen if name == "gateway_build_info"] == [
        "1.2.3"
    ]
    assert seen["gateway_workers", ()] == 2
    for worker in ("1", "2"):
        assert seen["process_resident_memory_bytes", (("worker", worker),)] > 1_000_000
        assert seen["process_open_fds", (("worker", worker),)] > 3


def test_the_form_is_prometheuss() -> None:
    """promtool, Prometheus' own checker, finds no fault."""
    block, metrics = running_block()
    metrics.http_requests.inc("/v1/rooms", "GET", "200")
    metrics.http_duration.observe(0.1, "/v1/rooms")
    assert promtool("check", "metrics", given=scrape(block)) == ""


def test_the_port_is_let_go() -> None:
    """Nothing listens on the port after the block."""
    with scraped(SharedMetrics()) as port:
        assert is_open(port)
    assert not is_open(port)


def test_a_forked_worker_does_not_hold_the_port() -> None:
    """A forked worker does not keep the port from a gateway that is started again."""
    with scraped(SharedMetrics()) as port:
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            os.read(reading, 1)
            os._exit(0)
    try:
        with socket.create_server(("127.0.0.1", port)):
            pass
    finally:
        os.write(writing, b".")
        os.waitpid(pid, 0)
        os.close(reading)
        os.close(writing)


def test_any_address_of_this_machine() -> None:
    """The listener can have an IPv6 address."""
    port = free_port()
    with metrics_at("::1", port, Exposition([SharedMetrics()], "1")):
        socket.create_connection(("::1", port), timeout=5).close()


def test_it_starts_without_a_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener starts without asking the resolver for this machine's name."""

    def unanswered(*_: object) -> str:
        raise AssertionError

    monkeypatch.setattr(socket, "getfqdn", unanswered)
    monkeypatch.setattr(socket, "gethostbyaddr", unanswered)
    assert "gateway_workers" in scrape(SharedMetrics())


def test_a_scrape_tells_no_versions_but_ours() -> None:
    """The headers of a scrape say nothing of the server and the interpreter."""
    with (
        scraped(SharedMetrics()) as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply,
    ):
        assert reply.headers["Server"].strip() == "gateway"


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_only_reads(method: str) -> None:
    """Any method but GET is refused with 501."""
    with scraped(SharedMetrics()) as port:
        answer = httpx.request(method, f"http://127.0.0.1:{port}/metrics", trust_env=False)
    assert answer.status_code == 501


def test_a_silent_client_is_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent clients delay no scrape, and are disconnected in the end."""
    handler = metrics_server._Scrape  # noqa: SLF001  # or this would take 5 s
    monkeypatch.setattr(handler, "timeout", 0.2)
    with scraped(SharedMetrics()) as port:
        silent = []
        for _ in range(10):  # one at a time, or the system's short queue would be full
            silent.append(socket.create_connection(("127.0.0.1", port)))
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as reply:
                assert reply.status == 200
        for each in silent:
            each.settimeout(60)
            assert each.recv(1) == b""
            each.close()
