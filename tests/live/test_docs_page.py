"""`/docs` in Chromium, and Swagger UI's files as its npm package has them."""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox import Sandbox, running
from tests.clients import async_client
from tests.commands import ROOT
from tests.live.browser import needs_chromium
from tests.live.devtools import Page, page
from tests.live.fault_server import rooms, serving
from tests.live.gateways import gateway_at
from tests.live.test_typescript_client import needs_npm, npm

BUILT = ROOT / "gateway" / "edge" / "docs_page" / "swagger-ui"
OPEN = ".opblock.is-open"
STATUS = f"{OPEN} .live-responses-table .response .response-col_status"
BODY = f"{OPEN} .live-responses-table .response .highlight-code .microlight"
ROOM = "/v1/rooms/{live_id}"
ANSWER = f"{OPEN} .live-responses-table .response"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox with the room of the examples."""
    async with running(environ={"GATEWAY_ACCESS_LOG": "off"}) as box:
        box.add_example_room()
        yield box


async def shown(browser: Page, url: str, operation: str) -> None:
    """Open the page of `url` at an operation, named with its group."""
    await browser.open("about:blank")
    await browser.open(f"{url}/docs#/{operation}")
    await browser.until(f"document.querySelector('{OPEN}') !== null")


async def press(browser: Page, selector: str) -> None:
    """Press a button when it is there and enabled."""
    await browser.until(f"document.querySelector('{selector}:enabled') !== null")
    await browser.run(f"document.querySelector('{selector}').click()")


async def executed(browser: Page, path: str, method: str) -> tuple[int, Any]:
    """Execute the open operation; return the status and the JSON that the page shows."""
    operation = json.dumps(["paths", path, method])  # Swagger UI reads it as it is opened
    await browser.until(f"ui.specSelectors.specResolvedSubtree({operation}) !== undefined")
    await press(browser, f"{OPEN} .execute")
    await browser.until(f"document.querySelector('{ANSWER}') !== null")
    status = await browser.run(f"document.querySelector('{STATUS}').textContent")
    body = await browser.run(f"document.querySelector('{BODY}')?.innerText")
    return int(status), json.loads(body) if body else None


def assert_kept_its_promise(browser: Page, url: str) -> None:
    """Check that nothing was refused by the policy, failed, or came from another host."""
    assert browser.told("Runtime.exceptionThrown") == []
    entries = [each["entry"] for each in browser.told("Log.entryAdded")]
    assert [each for each in entries if each["source"] in ("security", "network")] == []
    asked = {each["request"]["url"] for each in browser.told("Network.requestWillBeSent")}
    assert f"{url}/docs/swagger-ui-bundle.js" in asked
    assert {each for each in asked if not each.startswith((f"{url}/", "data:"))} == set()


@needs_chromium
@pytest.mark.parametrize("user", ["bob", "alice"])
async def test_an_example_works_as_it_stands(sandbox: Sandbox, tmp_path: Path, user: str) -> None:
    """A user's button signs in; the example room is read, with exact ids, `push_url` for alice."""
    async with page(tmp_path) as browser:
        await shown(browser, sandbox.url, "rooms/getRoom")
        await press(browser, f"button[data-user={user}]")
        status, room = await executed(browser, ROOM, "get")
        assert f"Signed in as {user}" in await browser.run("document.body.textContent")
        assert_kept_its_promise(browser, sandbox.url)
    assert (status, room["title"], room["live_status"]) == (200, "Friday session", 1)
    assert ("push_url" in room) is (user == "alice")
    row = sandbox.vendor.rooms.find(room["live_id"])
    assert row is not None
    assert room["chat_id"] == row.chat_id > 2**53


@needs_chromium
async def test_a_created_room_is_the_next_example(sandbox: Sandbox, tmp_path: Path) -> None:
    """After a create the other calls are about its room, and a second create makes another."""
    async with page(tmp_path) as browser:
        await shown(browser, sandbox.url, "rooms/createRoom")
        await press(browser, "button[data-user=alice]")
        status, created = await executed(browser, "/v1/rooms", "post")
        assert (status, created["title"]) == (201, "Friday session")
        await press(browser, f"{OPEN} .btn-clear")
        await browser.until(f"document.querySelector('{ANSWER}') === null")
        status, second = await executed(browser, "/v1/rooms", "post")
        assert (status, second["live_id"] != created["live_id"]) == (201, True)
        await browser.run(f"document.querySelector('{OPEN} .opblock-summary-control').click()")
        await browser.until(f"document.querySelector('{OPEN}') === null")
        await press(browser, "#operations-rooms-deleteRoom .opblock-summary-control")
        assert await executed(browser, ROOM, "delete") == (204, None)
        assert_kept_its_promise(browser, sandbox.url)
    assert sandbox.vendor.rooms.find(second["live_id"]) is None
    assert sandbox.vendor.rooms.find(created["live_id"]) is not None


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_a_phone(sandbox: Sandbox, tmp_path: Path, scheme: str) -> None:
    """At 390 pixels nothing sticks out, and the page follows the colour scheme."""
    async with page(tmp_path) as browser:
        await browser.show(390, 844, scheme=scheme)
        for operation in (
            "rooms/createRoom",
            "rooms/getRoom",
            "rooms/getRooms",
            "events/watchRoom",
        ):
            await shown(browser, sandbox.url, operation)
            assert await browser.run("document.documentElement.scrollWidth") == 390
        light = await browser.run("getComputedStyle(document.body).backgroundColor.includes('25')")
    assert light is (scheme == "light")


@needs_chromium
async def test_a_gateway_in_production_shows_no_tokens(tmp_path: Path) -> None:
    """Under `serve` the page says where a token comes from, and has none."""
    async with (
        serving(rooms) as server,
        gateway_at(server.url) as gateway,
        page(tmp_path) as browser,
    ):
        url = f"http://127.0.0.1:{gateway.port}"
        await shown(browser, url, "rooms/getRoom")
        assert "Your account system issues the token" in await browser.run(
            "document.body.innerText"
        )
        assert await browser.run("document.querySelectorAll('[data-token]').length") == 0
        assert_kept_its_promise(browser, url)


@needs_chromium
async def test_a_stream_is_not_tried(sandbox: Sandbox, tmp_path: Path) -> None:
    """The page waits for the end of an answer, so it offers no try of a stream."""
    async with page(tmp_path) as browser:
        await shown(browser, sandbox.url, "events/watchRoom")
        buttons = f"document.querySelectorAll('{OPEN} .execute, {OPEN} .try-out__btn').length"
        assert await browser.run(buttons) == 0


@pytest.mark.slow
@needs_npm
def test_the_files_are_those_of_the_package(tmp_path: Path) -> None:
    """The committed files of Swagger UI are those that the locked package gives."""
    folder = tmp_path / "openapi" / "docs"
    shutil.copytree(
        ROOT / "openapi" / "docs", folder, ignore=shutil.ignore_patterns("node_modules")
    )
    npm(folder, "ci")
    npm(folder, "run", "build")
    made = tmp_path / "gateway" / "edge" / "docs_page" / "swagger-ui"
    names = sorted(each.name for each in made.iterdir())
    assert names == sorted(each.name for each in BUILT.iterdir())
    for name in names:
        assert (made / name).read_bytes() == (BUILT / name).read_bytes(), name


def test_its_lock_has_no_addresses() -> None:
    """The package comes from the registry that npm is set up for."""
    lock = json.loads((ROOT / "openapi" / "docs" / "package-lock.json").read_text("utf-8"))
    assert lock["packages"]["node_modules/swagger-ui-dist"]["version"]
    assert [name for name, each in lock["packages"].items() if "resolved" in each] == []


async def test_tokens_are_shown_on_this_machine_only(sandbox: Sandbox) -> None:
    """A foreign name that points to this machine gets the page without the users' tokens."""
    async with async_client(sandbox.url) as client:
        for host, shown in (("localhost:8080", True), ("127.0.0.1", True), ("evil.test", False)):
            told = await client.get("/docs", headers={"Host": host})
            assert told.status_code == 200
            assert ("data-token" in told.text) is shown, host
