"""The vendor token that `gateway check` asks for."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.checks.network import network_report
from gateway.checks.vendor_token import TokenAnswer, token_findings, try_token
from gateway.sandbox import DialectName, running
from gateway.upstream import Call, Reply
from gateway.upstream.faults import Fault, NotSent
from tests.live.fault_server import enveloped

NOW = 1_800_000_000.0
TOKEN = "token-of-the-vendor"


async def tried(outcome: Any, sent: list[Call] | None = None) -> TokenAnswer:
    """Return the answer of an upstream that ends so."""

    async def send(call: Call) -> Reply:
        if sent is not None:
            sent.append(call)
        if isinstance(outcome, Fault):
            raise outcome
        status, body = outcome
        return Reply(status, httpx.Headers({"Content-Type": "application/json"}), body)

    return await try_token(send, "my-app", 3, clock=lambda: NOW)


def given(seconds: int) -> tuple[int, bytes]:
    """Return a reply with a token that lives for so many seconds."""
    return 200, enveloped({"access_token": TOKEN, "expires_at": int(NOW) + seconds})


async def test_it_asks_as_the_gateway_does() -> None:
    """One signed call, for an hour and the user in whose name the list is read."""
    sent: list[Call] = []
    answer = await tried(given(3600), sent)
    (call,) = sent
    assert (call.method, call.token) == ("GET", None)
    assert call.path == (
        "/server/auth/token?app_id=my-app&user_id=live-room-gateway&device_id=live-room-gateway"
        "&expires_at=1800003600"
    )
    assert answer == TokenAnswer(seconds=3600)
    [finding] = token_findings(answer)
    assert (finding.severity, finding.message) == ("ok", "the upstream gives one, for 3600 s")


@pytest.mark.parametrize(
    "outcome",
    [
        (400, enveloped(code=400, message=TOKEN)),
        (401, enveloped(code=401, message=TOKEN)),
        (500, enveloped(code=500, message=TOKEN)),
        (200, enveloped({"access_token": f"{TOKEN} {TOKEN}"})),
        (200, enveloped()),
        NotSent("refused"),
    ],
)
async def test_a_failure_is_reported(outcome: Any) -> None:
    """A failure fails the check, in words of our own."""
    [finding] = token_findings(await tried(outcome))
    assert finding.severity == "failed"
    assert finding.subject == "vendor token"
    assert TOKEN not in finding.message


@pytest.mark.parametrize("dialect", ["documented", "legacy"])
async def test_a_vendor_that_gives_one(dialect: DialectName) -> None:
    """The check of a whole configuration says so, and asks for none where it is not set."""
    async with running(dialect=dialect, environ={"GATEWAY_VENDOR_APP_ID": "app"}) as box:
        told = await network_report(box.settings)
        silent = await network_report(replace(box.settings, vendor_app_id=None))
    subjects = {each.subject: each.severity for each in told.findings}
    assert subjects["vendor token"] == "ok"
    assert told.token_seconds is not None
    assert 3000 < told.token_seconds <= 3600
    assert silent.token_seconds is None
    assert "vendor token" not in {each.subject for each in silent.findings}


def test_nothing_is_said_where_none_is_asked_for() -> None:
    """Without an `app_id` there is no line about tokens."""
    assert list(token_findings(TokenAnswer())) == []
