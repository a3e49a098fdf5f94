"""A scrape of a real gateway with several workers shows exactly what happened."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from gateway.sandbox import Sandbox
from tests import clients
from tests.commands import behind, free_port, is_open
from tests.conftest import running_sandbox, signed_in
from tests.served import Served, served, token
from tests.telemetry.samples import Values, values
from tests.waiting import LIMIT, eventually

REQUESTS = "gateway_http_requests_total"
BREAKER = "gateway_upstream_breaker_workers"
ROOM = "/v1/rooms/{live_id}"
USERS = 20


@contextmanager
def scraped(sandbox: Sandbox, **environ: str) -> Iterator[tuple[Served, int]]:
    """Run a gateway of two workers; yield it and the port of its metrics."""
    port = free_port()
    settings = {name.removeprefix("GATEWAY_"): text for name, text in behind(sandbox).items()}
    settings |= {"WORKERS": "2", "METRICS_PORT": str(port), **environ}
    with served(descriptors=None, **settings) as gateway:
        yield gateway, port


def scrape(port: int) -> Values:
    """Return the samples of a scrape."""
    return values(clients.get(f"http://127.0.0.1:{port}/metrics").text)


def total(seen: Values, name: str, **labels: str) -> float:
    """Return the sum of a metric's series that have these labels."""
    wanted = set(labels.items())
    return sum(value for (each, has), value in seen.items() if each == name and wanted <= set(has))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A simulated vendor; the metrics do not depend on its dialect."""
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def shared(sandbox: Sandbox) -> Iterator[tuple[Served, int]]:
    """A gateway that tests only read from, and the port of its metrics."""
    with scraped(sandbox, MAX_CONCURRENCY="70", CACHE_SIZE="50") as it:
        yield it


def made(sandbox: Sandbox) -> str:
    """Make a room of alice's, through another gateway; return its id."""
    with clients.client(sandbox.url, signed_in(sandbox, "alice")) as client:
        answer = client.post("/v1/rooms", json={"title": "t"})
    return str(answer.json()["live_id"])


class Load:
    """Users with good and bad requests, over connections to any worker."""

    def __init__(self, url: str, live_id: str) -> None:
        self._url = url
        self._live_id = live_id
        self.answers: Counter[tuple[str, str, str]] = Counter()
        self.failures = 0

    def run(self, rounds: int) -> None:
        """Run each user for a number of rounds, and wait for all of them."""
        threads = [
            threading.Thread(target=self._user, args=(f"u{number}", rounds))
            for number in range(USERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _user(self, name: str, rounds: int) -> None:
        bearer = {"Authorization": f"Bearer {token(name)}"}
        room = f"/v1/rooms/{self._live_id}"
        with clients.client(self._url) as client:
            for number in range(rounds):
                for method, path, route, headers in (
                    ("GET", room, ROOM, bearer),
                    ("HEAD", room, ROOM, bearer),
                    ("GET", room, ROOM, {}),
                    ("DELETE", room, ROOM, bearer),
                    ("GET", f"/v1/rooms/no-{name}-{number}", ROOM, bearer),
                    ("GET", f"/nowhere/{name}/{number}", "unmatched", {}),
                    ("BREW", "/healthz", "unmatched", {}),
                ):
                    try:
                        answer = client.request(method, path, headers=headers)
                    except httpx.TransportError:
                        self.failures += 1
                        continue
                    known = method if method != "BREW" else "other"
                    self.answers[route, known, str(answer.status_code)] += 1


def test_figures_add_up(sandbox: Sandbox) -> None:
    """Counters never fall during a load, and in the end have counted all of it."""
    live_id = made(sandbox)
    with scraped(sandbox) as (gateway, port):
        before = scrape(port)
        load = Load(gateway.url, live_id)
        running = threading.Thread(target=load.run, args=(6,))
        running.start()
        seen, last = [], before
        while running.is_alive():
            now = scrape(port)
            counters = [each for each in last if each[0].endswith(("_total", "_count", "_bucket"))]
            assert not [each for each in counters if now[each] < last[each]]
            seen.append(total(now, REQUESTS))
            last = now
        running.join()
        after = scrape(port)
    assert len(set(seen)) > 2
    assert load.failures == 0
    counted = {
        (dict(has)["route"], dict(has)["method"], dict(has)["status"]): value
        for (name, has), value in after.items()
        if name == REQUESTS and dict(has)["route"] != "/readyz"
    }
    assert counted == load.answers
    durations = total(after, "gateway_http_request_duration_seconds_count", route=ROOM)
    assert durations == total(after, REQUESTS, route=ROOM)
    refused = total(after, "gateway_http_problems_total", code="token_missing")
    assert refused == total(after, REQUESTS, status="401") == 6 * USERS
    lookups = total(after, "gateway_cache_lookups_total")
    stale = total(after, "gateway_cache_lookups_total", result="stale_if_error")
    assert lookups - stale == 3 * 6 * USERS
    assert total(after, "gateway_upstream_calls_total", operation="read") >= 6 * USERS
    attempts = total(after, "gateway_upstream_attempts_total")
    assert attempts == total(after, "gateway_upstream_calls_total")


def test_a_killed_worker_takes_no_figures_with_it(sandbox: Sandbox) -> None:
    """A killed worker's counts stay, its restart is counted, and the other's gauges stay."""
    with scraped(sandbox) as (gateway, port):
        asked = 0
        for victim in gateway.workers():
            for _ in range(25):
                clients.get(f"{gateway.url}/healthz")
                asked += 1
            eventually(lambda: total(scrape(port), REQUESTS, route="/healthz") == asked)  # noqa: B023  # called at once
            before = gateway.workers()
            os.kill(victim, signal.SIGKILL)
            eventually(lambda: gateway.listeners() == 2 and gateway.workers() != before)  # noqa: B023  # called at once
            eventually(lambda: total(scrape(port), BREAKER, state="closed") == 2)
            assert total(scrape(port), REQUESTS, route="/healthz") == asked
        seen = scrape(port)
    assert total(seen, "gateway_worker_restarts_total", reason="ended") == 2
    assert total(seen, "gateway_workers") == 2


def test_a_hung_worker_does_not_hold_a_scrape_up(shared: tuple[Served, int]) -> None:
    """A scrape shows the counters of a worker that hangs, without waiting for it."""
    gateway, port = shared
    victim = gateway.workers()[0]
    os.kill(victim, signal.SIGSTOP)
    try:
        seen = scrape(port)
    finally:
        os.kill(victim, signal.SIGCONT)
    assert total(seen, "gateway_workers") == 2


def test_made_up_paths_methods_and_ids_make_no_series(shared: tuple[Served, int]) -> None:
    """Made-up paths, methods and ids add no series."""
    gateway, port = shared
    with clients.client() as client:
        bearer = {"Authorization": f"Bearer {token('bob')}"}

        def ask(number: int) -> None:
            for path in (f"/a{number}", f"/v1/rooms/id-{number}", f"/docs/{number}"):
                client.get(gateway.url + path, headers=bearer)
            client.request(f"M{number}", f"{gateway.url}/v1/rooms")

        ask(0)
        before = scrape(port)
        for number in range(1, 60):
            ask(number)
        after = scrape(port)
    assert not {each for each in after if each[0] == REQUESTS} - before.keys()
    asked = [total(each, REQUESTS, route="unmatched", status="404") for each in (before, after)]
    assert asked[1] - asked[0] == 59


def test_what_a_worker_has_to_do(sandbox: Sandbox, shared: tuple[Served, int]) -> None:
    """A scrape shows rooms, requests and connections of the workers, with their limits."""
    gateway, port = shared
    bearer = {"Authorization": f"Bearer {token('bob')}"}
    clients.get(f"{gateway.url}/v1/rooms/{made(sandbox)}", bearer)
    eventually(lambda: total(scrape(port), "gateway_cache_rooms", kind="known") == 1)
    eventually(lambda: total(scrape(port), "gateway_event_loop_lag_seconds_count") >= 2)
    seen = scrape(port)
    assert total(seen, "gateway_cache_rooms_max") == 100
    assert total(seen, "gateway_http_requests_in_flight_max") == 140
    assert total(seen, "gateway_upstream_calls_active_max") == 200


def test_without_a_private_listener(sandbox: Sandbox) -> None:
    """With port 0 only the public port listens, and has no `/metrics`."""
    with scraped(sandbox, METRICS_PORT="0") as (gateway, port):
        assert not is_open(port)
        answer = clients.get(f"{gateway.url}/metrics")
    assert answer.status_code == 404


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_port_is_free_soon_after_the_end(sandbox: Sandbox, how: signal.Signals) -> None:
    """The port is free for another gateway, even after the supervisor was killed."""
    with scraped(sandbox) as (gateway, port):
        gateway.process.send_signal(how)
        gateway.process.wait(LIMIT)
        eventually(lambda: not is_open(port))
