"""A scrape: the sum of all workers, in the form that Prometheus takes."""

import os
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.metrics import Metrics
from gateway.telemetry import Exposition, Kind, families, metrics_at
from tests.commands import is_open
from tests.telemetry.promtool import promtool
from tests.telemetry.samples import values


@contextmanager
def scraped(*workers: Metrics) -> Iterator[int]:
    """Serve the metrics of `workers`, of one if none are given; yield the port."""
    shared = [worker.shared for worker in workers or (Metrics(),)]
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with metrics_at(listener, Exposition(shared, "1.2.3")):
        yield port


def scrape(*workers: Metrics) -> str:
    """Return the text of a scrape."""
    with (
        scraped(*workers) as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply,
    ):
        assert reply.headers["Content-Type"].startswith("text/plain; version=")
        return str(reply.read(), "utf-8")


def running() -> Metrics:
    """Return the metrics of a running worker: this process."""
    metrics = Metrics()
    metrics.shared.begin()
    return metrics


def test_workers_are_added_up() -> None:
    """Counters, gauges and histograms show the sum of all workers."""
    first, second = running(), running()
    for metrics in (first, second, second):
        metrics.lookups.inc("hit")
        metrics.upstream_duration.observe(0.02, "read")
    first.cached.set(3, "known")
    second.cached.set(4, "known")
    seen = values(scrape(first, second))
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
    """The counters of an ended worker stay, its gauges do not."""
    metrics = running()
    metrics.lookups.inc("hit")
    metrics.cached.set(3, "known")
    metrics.shared.numbers[0] = 2**22 + 1  # beyond the ids that Linux gives
    seen = values(scrape(metrics))
    assert seen["gateway_cache_lookups_total", (("result", "hit"),)] == 1
    assert ("gateway_cache_rooms", (("kind", "known"),)) not in seen
    assert seen["gateway_workers", ()] == 0
    assert not [name for name, _ in seen if name.startswith("process_")]


def test_what_is_always_there() -> None:
    """Every family but the sparse two is shown from the start, so that rates work."""
    shown = {sample for sample, _ in values(scrape(running()))}
    for family in families(Metrics):
        suffix = "_count" if family.kind is Kind.HISTOGRAM else ""
        assert (family.name + suffix in shown) != family.sparse


def test_about_the_processes() -> None:
    """A scrape shows version and interpreter, the number of workers and the use of each."""
    seen = values(scrape(running(), running()))
    assert [dict(labels)["version"] for name, labels in seen if name == "gateway_build_info"] == [
        "1.2.3"
    ]
    assert seen["gateway_workers", ()] == 2
    for worker in ("1", "2"):
        assert seen["process_resident_memory_bytes", (("worker", worker),)] > 1_000_000
        assert seen["process_open_fds", (("worker", worker),)] > 3


def test_the_form_is_prometheuss() -> None:
    """Prometheus' own checker, promtool, finds no fault with the output."""
    metrics = running()
    metrics.http_requests.inc("/v1/rooms", "GET", "200")
    metrics.http_duration.observe(0.1, "/v1/rooms")
    assert promtool("check", "metrics", given=scrape(metrics)) == ""


def test_the_port_is_let_go() -> None:
    """Nothing listens once the block is left."""
    with scraped() as port:
        assert is_open(port)
    assert not is_open(port)


def test_a_forked_worker_does_not_hold_the_port() -> None:
    """A gateway restarted at once gets the port although a forked worker still runs."""
    with scraped() as port:
        reading, writing = os.pipe()
        forked, fork = os.pipe()
        pid = os.fork()
        if not pid:
            os.write(fork, b".")
            os.read(reading, 1)
            os._exit(0)
        os.read(forked, 1)
    try:
        with socket.create_server(("127.0.0.1", port)):
            pass
    finally:
        os.write(writing, b".")
        os.waitpid(pid, 0)
        for each in (reading, writing, forked, fork):
            os.close(each)


def test_it_starts_without_a_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener starts without a look-up of the machine's name, which can take seconds."""

    def unanswered(*_: object) -> str:
        raise AssertionError

    monkeypatch.setattr(socket, "getfqdn", unanswered)
    monkeypatch.setattr(socket, "gethostbyaddr", unanswered)
    assert "gateway_workers" in scrape()


def test_a_scrape_shows_no_versions_but_ours() -> None:
    """The headers name neither the server library nor the interpreter."""
    with (
        scraped() as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply,
    ):
        assert reply.headers["Server"].strip() == "gateway"
