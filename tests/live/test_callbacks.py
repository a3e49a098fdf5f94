"""The vendor's callbacks over real sockets: rooms seen at once, creates that find their room."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import httpx
import pytest

from gateway.sandbox import DialectName, Faults, Sandbox
from tests import clients
from tests.conftest import go_live, running_sandbox, signed_in
from tests.live import replicas as many
from tests.live.counting_vendor import counting_vendor
from tests.live.fault_server import CREATED, PUSH_URL, Exchange, room, rooms, serving, silence
from tests.live.gateways import (
    ALICE,
    IMPATIENT,
    LATEST,
    Gateway,
    assert_tells_no_secret,
    gateway_at,
)
from tests.live.replicas import Replica
from tests.live.stores import store
from tests.waiting import eventually, until

PATH = "/v1/callbacks/qlive"
SECRET = "canary-callback-secret-of-32-characters"
VENDOR = httpx.BasicAuth("qlive", SECRET)
ON = {"GATEWAY_CALLBACK_SECRET": SECRET}
HOUR = "3600"
TITLE = str(room(CREATED)["title"])

DIALECTS: list[DialectName] = ["documented", "legacy"]


def told(kind: str, live_id: str, **more: object) -> dict[str, object]:
    """Return the body of a callback."""
    return {"type": kind, "body": {"live_id": live_id, **more}}


async def call(
    gateway: Gateway, body: object, request_id: str = "", auth: httpx.Auth = VENDOR
) -> httpx.Response:
    """Send a callback."""
    headers = {"X-Reqid": request_id} if request_id else {}
    return await gateway.client.post(PATH, json=body, headers=headers, auth=auth)


async def create(gateway: Gateway, **headers: str) -> httpx.Response:
    """Create a room as alice, always with the same key."""
    headers |= {"Authorization": f"Bearer {ALICE}", "Idempotency-Key": "key"}
    return await gateway.client.post("/v1/rooms", json={"title": TITLE}, headers=headers)


class LosingReplies:
    """A healthy vendor that makes rooms and never answers; `made_by` has the ids of creates."""

    def __init__(self) -> None:
        self.made_by: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, exchange: Exchange) -> None:
        """Answer a read; keep the id of a create."""
        if exchange.method == "GET":
            await rooms(exchange)
            return
        await self.made_by.put(exchange.header("x-reqid"))


@pytest.fixture(params=DIALECTS)
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox whose vendor calls its gateway, before it answers what caused that."""
    environ = {**ON, "GATEWAY_CACHE_TTL": HOUR, "GATEWAY_UPSTREAM_TIMEOUT": "2"}
    with running_sandbox(request.param, environ, Faults(callback_first=True)) as sandbox:
        yield sandbox


def create_at(client: httpx.Client, sandbox: Sandbox, user: str = "alice") -> httpx.Response:
    """Create a room at a sandbox, always with the same key."""
    headers = {**signed_in(sandbox, user), "Idempotency-Key": "key"}
    return client.post("/v1/rooms", json={"title": "t"}, headers=headers)


def test_what_the_vendor_changes_is_seen_at_once(box: Sandbox) -> None:
    """A room cached for an hour is read again when the vendor tells that it began or ended."""
    with clients.client(box.url) as client:
        live_id = create_at(client, box).json()["live_id"]

        def status() -> int:
            shown = client.get(f"/v1/rooms/{live_id}", headers=signed_in(box, "bob"))
            return int(shown.json()["live_status"])

        assert status() == 0
        go_live(box, live_id)
        eventually(lambda: status() == 1)
        httpx.post(f"{box.upstream_url}/sandbox/rooms/{live_id}/censor", trust_env=False)
        eventually(lambda: status() == 2)


def test_a_lost_create_finds_its_room(box: Sandbox) -> None:
    """A create that timed out at the vendor is settled by the callback: the key gives the room."""
    with clients.client(box.url) as client:
        box.vendor.faults.censor = "hang"  # the room is made, and neither told nor answered
        lost = [create_at(client, box) for _ in range(2)]
        assert [each.json()["code"] for each in lost] == ["outcome_unknown"] * 2
        box.vendor.faults.censor = "up"
        eventually(lambda: create_at(client, box).status_code == 201)
        found = create_at(client, box)
        assert found.headers["Idempotency-Replayed"] == "true"
        [row] = box.vendor.rooms.all()
        assert (found.json()["live_id"], found.json()["push_url"]) == (row.live_id, row.push_url)
        other = create_at(client, box, "bob").json()
        assert other["anchor_info"]["user_id"] == "bob"
        assert len(box.vendor.rooms) == 2


def test_a_create_that_failed_after_the_callback_finds_its_room() -> None:
    """A room that the vendor made, told of and then called a failure is the key's room."""
    faults = Faults(callback_first=True, censor="fail")
    with (
        running_sandbox("legacy", ON, faults) as sandbox,
        clients.client(sandbox.url) as client,
    ):
        assert create_at(client, sandbox).json()["code"] == "outcome_unknown"
        eventually(lambda: create_at(client, sandbox).status_code == 201)
        assert (
            create_at(client, sandbox).json()["push_url"] == sandbox.vendor.rooms.all()[0].push_url
        )


async def test_a_callback_in_time_saves_the_create() -> None:
    """A create whose reply never comes answers 201 itself if the callback came meanwhile."""
    vendor = LosingReplies()
    async with (
        serving(vendor) as server,
        gateway_at(server.url, CALLBACK_SECRET=SECRET, UPSTREAM_TIMEOUT="3") as gateway,
    ):
        creating = asyncio.create_task(create(gateway))
        request_id = await vendor.made_by.get()
        await call(gateway, told("live_created", CREATED, push_url=PUSH_URL), request_id)
        made = await creating
        assert (made.status_code, made.json()["push_url"]) == (201, PUSH_URL)
        assert made.headers["idempotency-replayed"] == "true"
        assert (await create(gateway)).json()["push_url"] == PUSH_URL
        assert server.targets("POST") == ["/server/live"]


async def test_a_request_id_that_a_client_chose_settles_nothing() -> None:
    """A create is known to the vendor by an id that its client can neither choose nor learn."""
    vendor = LosingReplies()
    async with (
        serving(vendor) as server,
        gateway_at(server.url, CALLBACK_SECRET=SECRET, **IMPATIENT) as gateway,
    ):
        lost = await create(gateway, **{"X-Request-Id": "chosen"})
        assert (lost.status_code, lost.headers["x-request-id"]) == (504, "chosen")
        request_id = await vendor.made_by.get()
        assert request_id not in f"{lost.headers} {lost.text}"
        for guess in ("chosen", request_id[:-1], request_id.upper() + "x"):
            assert (await call(gateway, told("live_created", CREATED), guess)).status_code == 200
        await asyncio.sleep(0.5)  # time for a look, if there were one
        assert server.targets("GET") == []
        assert (await create(gateway)).json()["code"] == "outcome_unknown"
        await call(gateway, told("live_created", CREATED), request_id)
        await until(partial(_has_its_room, gateway))


async def _has_its_room(gateway: Gateway) -> bool:
    return (await create(gateway)).status_code == 201


def basic(user: str, password: str) -> str:
    """Return an `Authorization` header."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


WRONG = {
    "none": [],
    "another password": [basic("qlive", SECRET[:-1])],
    "another user": [basic("Qlive", SECRET)],
    "no user": [basic("", SECRET)],
    "another scheme": [basic("qlive", SECRET).replace("Basic", "Bearer")],
    "a user's token": [f"Bearer {ALICE}"],
    "not encoded": [f"Basic qlive:{SECRET}"],
    "not ASCII": ["Basic \xff\xfe"],
    "nothing": ["Basic"],
    "two": [basic("qlive", SECRET)] * 2,
}
"""The `Authorization` headers of others than the vendor."""


@pytest.mark.parametrize("case", WRONG)
async def test_only_the_vendor_may_call(case: str) -> None:
    """Any other credentials get the same 401, whatever is wrong with them, and do nothing."""
    async with (
        serving(rooms) as server,
        gateway_at(server.url, CALLBACK_SECRET=SECRET, CACHE_TTL=HOUR) as gateway,
    ):
        await gateway.read("1")
        refused = await gateway.client.post(
            PATH,
            json=told("live_stopped", "1"),
            headers=[(b"Authorization", each.encode("latin-1")) for each in WRONG[case]],
        )
        assert (refused.status_code, refused.json()["code"]) == (401, "token_invalid")
        assert refused.headers["www-authenticate"] == 'Basic realm="callbacks"'
        assert refused.headers["cache-control"] == "no-store"
        again = await gateway.read("1")
        assert again.headers["cache-status"] == "gateway; hit"
    log = [json.loads(line) for line in gateway.log.getvalue().splitlines()]
    [line] = [each for each in log if each["event"] == "token_refused"]
    assert (line["reason"], line["count"]) == ("callback", 1)
    assert not [each for each in log if each["event"] == "callback_taken"]


async def test_guesses_are_limited() -> None:
    """Wrong credentials count as failed sign-ins of their address; the right ones still pass."""
    limited = {"RATE_LIMIT_FAILED_AUTH": "3/day"}
    async with (
        serving(rooms) as server,
        gateway_at(server.url, CALLBACK_SECRET=SECRET, **limited) as gateway,
    ):
        body, wrong = told("live_stopped", "1"), httpx.BasicAuth("qlive", "guess")
        answers = [await call(gateway, body, auth=wrong) for _ in range(4)]
        assert [each.status_code for each in answers] == [401] * 3 + [429]
        assert (await call(gateway, body)).status_code == 200


async def test_without_the_secret_there_is_no_such_path() -> None:
    """A gateway that takes no callbacks answers 404, with any credentials."""
    async with serving(rooms) as server, gateway_at(server.url) as gateway:
        answer = await call(gateway, told("live_stopped", "1"))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("media_type", "content", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"[1]", 400),
        ("application/json", b" " * 70_000, 413),
        ("text/plain", b"{}", 415),
        ("application/json", b'{"type":"gift_send","body":{}}', 200),
        ("application/json", b'{"type":"live_created","body":{"live_id":[]}}', 200),
    ],
)
async def test_bodies(media_type: str, content: bytes, status: int) -> None:
    """A body that is no JSON, or too large, is refused; one that tells nothing is answered 200."""
    async with serving(rooms) as server, gateway_at(server.url, CALLBACK_SECRET=SECRET) as gateway:
        headers = {"Content-Type": media_type}
        answer = await gateway.client.post(PATH, content=content, headers=headers, auth=VENDOR)
        assert answer.status_code == status
        if status == 200:
            assert (answer.json(), answer.headers["cache-control"]) == ({"code": 0}, "no-store")
        assert server.received == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_other_methods(method: str) -> None:
    """A callback is a POST."""
    async with serving(rooms) as server, gateway_at(server.url, CALLBACK_SECRET=SECRET) as gateway:
        answer = await gateway.client.request(method, PATH, auth=VENDOR)
    assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST")


async def test_it_is_answered_before_any_work() -> None:
    """A vendor that does not answer reads holds no callback up, and no stop of the gateway."""
    vendor, before = LosingReplies(), asyncio.all_tasks()
    patient = {**IMPATIENT, "UPSTREAM_LAG": "60"}
    async with (
        serving(vendor) as server,
        gateway_at(server.url, CALLBACK_SECRET=SECRET, **patient) as gateway,
    ):
        await create(gateway)
        server.script = silence
        answers = await asyncio.gather(
            *(call(gateway, told("live_created", CREATED), vendor.made_by.get_nowait()),),
            *(call(gateway, told("live_started", "1")) for _ in range(50)),
        )
        assert {each.status_code for each in answers} == {200}
        assert max(each.elapsed.total_seconds() for each in answers) < LATEST
        await until(lambda: server.targets("GET") != [])
    assert asyncio.all_tasks() == before


async def test_a_push_url_in_a_callback_goes_nowhere() -> None:
    """No answer, log line or metric has the `push_url` that a callback told."""
    async with serving(rooms) as server, gateway_at(server.url, CALLBACK_SECRET=SECRET) as gateway:
        for kind in ("live_created", PUSH_URL, "gift_send"):
            answer = await call(gateway, told(kind, "1", push_url=PUSH_URL), "id-1")
            assert_tells_no_secret(f"{answer.text} {answer.headers}")
        await call(gateway, told("live_created", PUSH_URL), PUSH_URL)
    assert_tells_no_secret(gateway.log.getvalue().decode())
    assert SECRET not in gateway.log.getvalue().decode()


@pytest.fixture(scope="module")
def two() -> Iterator[list[Replica]]:
    """Two gateways that share a store, in front of a vendor that takes long to answer creates."""
    with ExitStack() as stack:
        vendor = stack.enter_context(counting_vendor())
        vendor.behave(create=3)
        shared = stack.enter_context(store())
        terms = {"CACHE_TTL": HOUR, "UPSTREAM_TIMEOUT": "1", "CALLBACK_SECRET": SECRET}
        yield stack.enter_context(many.replicas(2, vendor, shared.url, **terms))


def call_replica(replica: Replica, body: object, request_id: str = "") -> None:
    """Send a callback to one of them."""
    with clients.client(f"http://127.0.0.1:{replica.port}") as client:
        headers = {"X-Reqid": request_id}
        assert client.post(PATH, json=body, headers=headers, auth=VENDOR).status_code == 200


def read(replica: Replica, live_id: str) -> httpx.Response:
    """Read a room as a viewer."""
    headers = {"Authorization": f"Bearer {many.BOB}"}
    return clients.get(f"http://127.0.0.1:{replica.port}/v1/rooms/{live_id}", headers)


def test_a_callback_at_one_gateway_evicts_at_all(two: list[Replica]) -> None:
    """A room that another gateway has in memory is read again after the callback."""
    first, second = two
    shown = [read(each, "room-told").json()["notice"] for each in (first, second, second)]
    assert len(set(shown)) == 1
    call_replica(first, told("live_stopped", "room-told"))
    eventually(lambda: read(second, "room-told").json()["notice"] != shown[0])


def test_a_callback_at_another_gateway_settles_a_create(two: list[Replica]) -> None:
    """A create that one gateway lost, and another was told of, gives its room at both."""
    sender, hearer = two

    def send(replica: Replica) -> httpx.Response:
        with clients.client(f"http://127.0.0.1:{replica.port}") as client:
            headers = {"Authorization": f"Bearer {many.ALICE}", "Idempotency-Key": "lost"}
            return client.post("/v1/rooms", json={"title": "lost"}, headers=headers)

    assert send(sender).json()["code"] == "outcome_unknown"
    assert send(hearer).json()["code"] == "outcome_unknown"
    eventually(lambda: "upstream_call_failed" in sender.log())
    lines = [json.loads(line) for line in sender.log().splitlines()]
    [failed] = [line for line in lines if line["event"] == "upstream_call_failed"]
    request_id = failed["upstream_request_id"]
    call_replica(hearer, told("live_created", str(10**18 + 1)), request_id)
    eventually(lambda: send(hearer).status_code == 201)
    for each in (sender, hearer):
        found = send(each)
        assert (found.status_code, found.json()["live_id"]) == (201, str(10**18 + 1))
        assert found.json()["push_url"]
