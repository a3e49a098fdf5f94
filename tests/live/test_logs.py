"""The log of a real gateway has what an operator looks for, and delays no request."""

import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.sandbox import Sandbox
from gateway.telemetry import caller_ids
from tests import clients
from tests.commands import behind, run
from tests.conftest import running_sandbox
from tests.live.fault_server import answering, enveloped, reply, rooms, serving
from tests.live.gateways import ALICE, BOB, Gateway, gateway_at
from tests.served import served, token
from tests.waiting import eventually

MANY = 1000


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A simulated vendor."""
    with running_sandbox() as sandbox:
        yield sandbox


def settings(sandbox: Sandbox) -> dict[str, str]:
    """Return the settings of a gateway in front of it, without their prefix."""
    return {name.removeprefix("GATEWAY_"): text for name, text in behind(sandbox).items()}


@asynccontextmanager
async def gateway_in_front_of_rooms(**environ: str) -> AsyncIterator[Gateway]:
    """Run a gateway whose upstream has every room."""
    async with serving(rooms) as server, gateway_at(server.url, **environ) as gateway:
        yield gateway


def lines(gateway: Gateway, event: str) -> list[Any]:
    """Return what was logged of this kind."""
    told = [json.loads(line) for line in gateway.log.getvalue().splitlines()]
    return [each for each in told if each["event"] == event]


@pytest.mark.slow
def test_a_reader_that_reads_nothing(sandbox: Sandbox) -> None:
    """Requests go on while nobody reads standard output, and each has its line in the end."""
    environ = {**settings(sandbox), "ACCESS_LOG": "on", "WORKERS": "2"}
    with served(descriptors=None, **environ) as gateway:
        with clients.client(gateway.url) as client:
            for number in range(MANY):  # 200 kB of lines; a pipe holds 64
                client.get("/healthz", headers={"X-Request-Id": f"{number:04}-{'x' * 59}"})
        output = gateway.stop()
    told = [json.loads(line) for line in output.splitlines()]
    ids = [each["request_id"][:4] for each in told if each["event"] == "request"]
    assert sorted(ids) == [f"{number:04}" for number in range(MANY)]


async def test_a_request_can_be_followed() -> None:
    """A request's id leads to two lines: its end, and the reply of the upstream."""
    refusal = reply(enveloped(code=602, message="words"), status=500)
    async with serving(answering(refusal)) as server, gateway_at(server.url) as gateway:
        answer = await gateway.read("1")
        (request,) = lines(gateway, "request")
        (call,) = lines(gateway, "upstream_call_failed")
    request_id = answer.json()["request_id"]
    assert (request["request_id"], call["request_id"]) == (request_id, request_id)
    assert (request["status"], request["route"]) == (502, "/v1/rooms/{live_id}")
    assert (request["upstream_calls"], request["upstream_code"]) == (1, 602)
    assert request["upstream_request_id"] == call["upstream_request_id"]
    assert "words" not in gateway.log.getvalue().decode()


async def test_callers_and_where_rooms_came_from() -> None:
    """The access log has the hash of each caller and the source of each room."""
    async with gateway_in_front_of_rooms() as gateway:
        for bearer in (BOB, BOB, ALICE, "none"):
            await gateway.read("1", bearer)
        told = lines(gateway, "request")
    caller_id = caller_ids(b"canary-secret-key-41c8")
    alice, bob = caller_id("alice"), caller_id("bob")
    assert [each.get("caller") for each in told] == [bob, bob, alice, None]
    assert [each.get("cache") for each in told] == ["miss", "hit", "bypass", None]
    assert [each.get("upstream_calls") for each in told] == [1, None, 1, None]
    assert all("trace_id" not in each for each in told)


def test_what_the_server_says_is_an_event_too(sandbox: Sandbox) -> None:
    """Every line on standard output is an event, the loss of a worker too."""
    with served(descriptors=None, **settings(sandbox)) as gateway:
        before = gateway.workers()
        os.kill(before[0], signal.SIGKILL)
        eventually(lambda: gateway.workers() not in ([], before))
        eventually(lambda: gateway.listeners() == 1)
        output = gateway.stop()
    told = [json.loads(line) for line in output.splitlines()]
    (lost,) = [each for each in told if each["event"] == "server"]
    assert (lost["level"], lost["message"]) == ("error", "Unexpected exit from worker-1")
    assert all({"timestamp", "level", "event"} <= each.keys() for each in told)


def test_an_operator_finds_a_users_lines(sandbox: Sandbox) -> None:
    """`gateway caller-id` prints the name of a user in the log of the same configuration."""
    environ = {**settings(sandbox), "ACCESS_LOG": "on"}
    with served(descriptors=None, **environ) as gateway:
        bearer = {"Authorization": f"Bearer {token('bob')}"}
        clients.get(f"{gateway.url}/v1/rooms/1", bearer)
        output = gateway.stop()
    code, printed, _ = run("caller-id", "bob", environ=behind(sandbox))
    told = [json.loads(line) for line in output.splitlines()]
    callers = {each["caller"] for each in told if each.get("status") == 404}
    assert (code, callers) == (0, {printed.strip()})


@pytest.mark.parametrize("sub", ["", "a b", "x" * 129, "a\udcff"])
def test_an_operator_is_told_of_a_slip(sandbox: Sandbox, sub: str) -> None:
    """`gateway caller-id` prints no name of what no user can be called."""
    code, printed, told = run("caller-id", sub, environ=behind(sandbox))
    assert (code, printed) == (2, "")
    assert "1 to 128 printable characters" in told


async def test_callers_can_be_left_out() -> None:
    """GATEWAY_LOG_CALLER=off leaves the caller out of every line."""
    async with gateway_in_front_of_rooms(LOG_CALLER="off") as gateway:
        await gateway.read("1")
        (told,) = lines(gateway, "request")
    assert "caller" not in told


@pytest.mark.parametrize("changes", [{"ACCESS_LOG": "off"}, {"LOG_LEVEL": "warning"}])
async def test_no_access_line(changes: dict[str, str]) -> None:
    """There is no access line if it is off, or below the log level."""
    async with gateway_in_front_of_rooms(**changes) as gateway:
        await gateway.read("1")
        assert lines(gateway, "request") == []
