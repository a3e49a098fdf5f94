"""Nothing that a gateway answers, logs or prints has a secret in it."""

import asyncio
import io
import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import gateway
from gateway.edge import PROBLEMS
from gateway.serving import Application
from tests.leaks.canaries import CANARIES
from tests.leaks.scan import Finding, scan
from tests.leaks.scenes import SCENES, an_issuer_in_trouble, every_route, keys_that_change
from tests.leaks.traffic import Heard, Scene

CHANNELS = (
    *("headers", "bodies", "json log", "console log", "metrics", "traces"),
    *("library logs", "output"),
)
OF_THE_CLIENT = ("httpx", "httpcore")


class LibraryLogs(logging.Handler):
    """The log of libraries, with arguments and tracebacks, without that of these tests' client."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = io.StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        """Note a record."""
        if not record.name.startswith(OF_THE_CLIENT):
            self.text.write(f"{self.format(record)} {record.args!r}\n")


@pytest.fixture
def heard(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], Heard]]:
    """A record, and at its call what was logged by libraries and printed as well."""
    record, logs, root = Heard(), LibraryLogs(), logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(logs)

    def whole() -> Heard:
        record.said["library logs"] = [logs.text.getvalue().encode()]
        record.said["output"] = ["".join(capfd.readouterr()).encode()]
        return record

    yield whole
    root.removeHandler(logs)
    root.setLevel(before)


def findings(heard: Heard) -> dict[str, set[Finding]]:
    """Return what is found in each channel."""
    canaries = CANARIES | heard.arisen
    return {
        channel: {each for said in set(heard.said[channel]) for each in scan(said, canaries)}
        for channel in CHANNELS
    }


EVENTS = {
    "request_failed",
    "token_refused",
    "room_write",
    "callback_taken",
    "unknown_create",
    "upstream_call_failed",
    "room_repaired",
    "live_rooms_unreadable",
    "push_url_repeated",
    "breaker_opened",
    "keys_fetched",
    "keys_not_fetched",
    "key_reload_failed",
    "keys_reloaded",
    "credentials_refused",
    "credentials_accepted",
}
"""All that a gateway logs of what others have sent, besides the line of each request."""

OF_ITS_OWN = {
    "starting",  # test_processes has it
    "breaker_closed",  # has no values
    "upstream_timezone_suspect",  # a number of hours, and a zone from the settings
    "background_task_failed",  # an exception, shown as that of request_failed is
    "room_poll_failed",  # the same
    *("admin_room_evicted", "admin_user_refused", "admin_user_allowed"),  # of the operator alone;
    *("admin_token_refused", "admin_token_allowed"),  # live/test_admin looks at their lines
    *("store_back", "store_subscription_back"),  # have no values
    *("store_lost", "store_subscription_lost"),  # live/test_shared_secrets looks at their lines
    "traces_not_exported",  # what the SDK says, with exceptions by their type alone
}
_LOGGED = re.compile(r"log(?:ger)?(?:\([^()]*\))?\.\w+\(\s*(?:\w+\(\w+\),\s*)?\"([a-z_]+)\"")


def test_every_event_is_known() -> None:
    """Every log event in the source is scanned here, or named with a reason."""
    source = "".join(each.read_text() for each in Path(gateway.__file__).parent.rglob("*.py"))
    assert set(_LOGGED.findall(source)) == EVENTS | OF_ITS_OWN


async def test_nothing_said_has_a_secret_in_it(heard: Callable[[], Heard], tmp_path: Path) -> None:
    """No answer, log or output has a secret, for any route, role, fault, problem or event."""
    scene = Scene(heard())
    async with asyncio.TaskGroup() as meanwhile:
        meanwhile.create_task(an_issuer_in_trouble(scene))  # it waits most of its time
        for act in SCENES.values():
            if act is not an_issuer_in_trouble:
                await act(scene)
    await keys_that_change(scene, tmp_path)
    record = heard()
    assert record.codes == set(PROBLEMS)
    assert any(name.startswith("signature") for name in record.arisen)
    lines = b"".join(record.said["json log"]).splitlines()
    assert {json.loads(line)["event"] for line in lines} == EVENTS | {"request"}
    assert not any(findings(record).values()), findings(record)


def leaking(app: Application) -> Application:
    """Return `app` with a canary in every header block and every body."""

    async def leak(scope: object, receive: object, send: Callable[..., Awaitable[None]]) -> None:
        planted = b""

        async def planting(message: dict[str, Any]) -> None:
            nonlocal planted
            if message["type"] == "http.response.start":
                headers = [each for each in message["headers"] if each[0] != b"content-length"]
                headers.append((b"x-planted", CANARIES["AK"].encode()))
                if len(headers) == len(message["headers"]):  # there is a body
                    planted = CANARIES["SK"].encode()
                    length = int(dict(message["headers"])[b"content-length"]) + len(planted)
                    headers.append((b"content-length", b"%d" % length))
                message["headers"] = headers
            elif message["type"] == "http.response.body" and not message["more_body"]:
                message["body"] += planted
            await send(message)

        await app(scope, receive, planting)

    return leak


async def test_a_leak_in_any_channel_is_found(heard: Callable[[], Heard]) -> None:
    """A secret that is planted in each channel is found in it, as a positive control."""
    secret = CANARIES["token secret"]
    scene = Scene(heard(), leaking, {"planted": secret})
    await every_route(scene)
    logging.getLogger("asyncio").debug("%s", secret)
    print(secret)  # noqa: T201  # one of the channels
    record = heard()
    for channel in CHANNELS:
        said = [each for each in record.said[channel] if each]
        assert said
        assert all(scan(each, CANARIES) for each in said), channel
