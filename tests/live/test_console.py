"""The console in Chromium, with nothing but a keyboard."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.sandbox import Sandbox, running
from tests.live.browser import needs_chromium
from tests.live.devtools import Page, page

pytestmark = needs_chromium

ENVIRON = {
    "GATEWAY_CALLBACK_SECRET": "a-secret-of-more-than-32-characters",
    "GATEWAY_VENDOR_APP_ID": "app",
}
SIZES = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox, whose vendor tells its gateway of changes."""
    async with running(environ=ENVIRON) as box:
        yield box


class Keyboard:
    """A keyboard at the console of a sandbox."""

    def __init__(self, browser: Page, url: str) -> None:
        self.page = browser
        self.url = url

    async def begin(self, language: str = "en") -> None:
        """Open the console as a browser of this language; it begins once its users are there."""
        await self.page.call("Emulation.setLocaleOverride", locale=language)
        script = f"Object.defineProperty(navigator, 'language', {{get: () => '{language}'}})"
        await self.page.call("Page.addScriptToEvaluateOnNewDocument", source=script)
        await self.page.open(f"{self.url}/console")
        await self.page.until("document.querySelector('#bob') !== null")

    async def press(self, key: str, code: int) -> None:
        """Press a key and let it go."""
        about = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        text = {"text": "\r"} if key == "Enter" else {}
        await self.page.call("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        await self.page.call("Input.dispatchKeyEvent", type="keyUp", **about)

    async def go_to(self, selector: str) -> None:
        """Press Tab until the element has the focus, which must be visible."""
        for _ in range(60):
            if await self.page.run(f"document.activeElement.matches('{selector}')"):
                assert await self.page.run(
                    "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
                )
                return
            await self.press("Tab", 9)
        pytest.fail(f"the keyboard does not reach {selector}")

    async def act(self, user: str, what: str) -> None:
        """Press a user's button, and wait until it is answered."""
        await self.go_to(
            f"#{user} {'.create button' if what == 'create' else f'[data-act={what}]'}"
        )
        await self.press("Enter", 13)
        await self.page.until(f"document.querySelector('#{user}').ariaBusy === 'false'")

    async def text(self, selector: str) -> str:
        """Return the visible text of an element."""
        return str(await self.page.run(f"document.querySelector('{selector}').innerText"))

    async def content(self, selector: str) -> str:
        """Return the text of an element that may not be visible."""
        return str(await self.page.run(f"document.querySelector('{selector}').textContent"))

    async def shows(self, selector: str, text: str) -> None:
        """Wait until an element has a text in it."""
        shown = f"document.querySelector('{selector}')?.innerText"
        await self.page.until(f"{shown}?.includes('{text}')")


def assert_kept_its_promise(browser: Page, url: str, *refused: int) -> None:
    """Check that no error, refusal by the policy or request to another host came, but `refused`."""
    assert browser.told("Runtime.exceptionThrown") == []
    entries = [each["entry"] for each in browser.told("Log.entryAdded")]
    statuses = [f"status of {status} " for status in refused]
    assert len(entries) == len(statuses)
    assert all(status in each["text"] for status, each in zip(statuses, entries, strict=True))
    assert browser.told("Runtime.consoleAPICalled") == []
    asked = {each["request"]["url"] for each in browser.told("Network.requestWillBeSent")}
    assert f"{url}/console/client.js" in asked
    assert {each for each in asked if not each.startswith((f"{url}/", "data:"))} == set()


async def test_a_room_lives_by_keyboard(sandbox: Sandbox, tmp_path: Path) -> None:
    """Alice creates, goes live, stops and deletes; bob gets no `push_url`, and may not stop it."""
    async with page(tmp_path) as browser:
        keys = Keyboard(browser, sandbox.url)
        await keys.begin()
        await keys.act("alice", "create")
        await keys.shows("#alice .push", "rtmp://")
        await keys.shows("#bob .push", "not shown to this user")
        await keys.shows("#bob .facts", "gateway; ")
        for user in ("alice", "bob"):
            await keys.shows(f"#{user} .events", "the whole room")
        await keys.act("alice", "live")
        for user in ("alice", "bob"):
            await keys.shows(f"#{user} .events", "live_status: 0 → 1 (live)")
        await keys.act("bob", "stop")
        assert "403" in await keys.text("#bob .line")
        assert "not_room_anchor" in await keys.text("#bob .problem")
        assert await keys.text("#bob .facts div:nth-child(2) dd") != "none"
        command = await keys.text("#bob .command pre")
        assert "curl -i -X POST" in command
        assert '-H "Authorization: Bearer $BOB"' in command
        assert "refused" in await keys.content("#bob .spoken")
        await keys.act("alice", "stop")
        await keys.shows("#bob .events", "live_status: 1 → 2 (ended)")
        await keys.act("alice", "delete")
        for user in ("alice", "bob"):
            await keys.shows(f"#{user} .events", "deleted")
            await keys.shows(f"#{user} .view", "deleted")
        assert "push_url" in json.loads(await keys.content("#alice .seen pre"))
        assert "push_url" not in json.loads(await keys.content("#bob .seen pre"))
        assert_kept_its_promise(browser, sandbox.url, 403)


async def test_either_user_may_be_the_anchor(sandbox: Sandbox, tmp_path: Path) -> None:
    """The room of bob's makes alice the viewer, also for a page opened at the room's id."""
    async with page(tmp_path) as browser:
        keys = Keyboard(browser, sandbox.url)
        await keys.begin()
        await keys.act("bob", "create")
        for _ in range(2):
            await keys.shows("#bob .push", "rtmp://")
            await keys.shows("#alice .push", "not shown to this user")
            await keys.shows("#bob .role", "anchor")
            await keys.shows("#alice .role", "viewer")
            await browser.call("Page.reload")
            await browser.until("document.querySelector('#bob .push') !== null")
        assert_kept_its_promise(browser, sandbox.url)


async def test_the_command_is_the_same(sandbox: Sandbox, tmp_path: Path) -> None:
    """The curl command of a create, with any title, repeats it: same key, user and body."""
    title = """it's "$HOME" `id` \\ 周五"""
    async with page(tmp_path) as browser:
        keys = Keyboard(browser, sandbox.url)
        await keys.begin()
        await keys.go_to("#alice [name=title]")
        await browser.run("document.activeElement.select()")
        await browser.call("Input.insertText", text=title)
        await keys.act("alice", "create")
        await keys.shows("#alice .push", "rtmp://")
        live_id = await keys.text("#alice .fields dd")
        command = await keys.text("#alice .command pre")
    shell = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        command,
        env={**os.environ, "ALICE": sandbox.token("alice"), "no_proxy": "*"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    head, _, body = (await shell.communicate())[0].partition(b"\r\n\r\n")
    assert b"idempotency-replayed: true" in head.lower()
    assert (json.loads(body)["live_id"], json.loads(body)["title"]) == (live_id, title)


async def test_it_says_that_the_sandbox_is_gone(tmp_path: Path) -> None:
    """A request without an answer is shown as such."""
    async with page(tmp_path) as browser:
        async with running(environ=ENVIRON) as sandbox:
            keys = Keyboard(browser, sandbox.url)
            await keys.begin()
            await keys.act("alice", "create")
            await keys.shows("#bob .events", "the whole room")
        await keys.act("bob", "read")
        assert "Is the sandbox still running?" in await keys.text("#bob .problem")
        assert "–" in await keys.text("#bob .line")


async def test_it_asks_only_when_asked(sandbox: Sandbox, tmp_path: Path) -> None:
    """A create makes one read and two streams; whatever comes by events is not read again."""
    async with page(tmp_path) as browser:
        keys = Keyboard(browser, sandbox.url)
        await keys.begin()
        await keys.act("alice", "create")
        for user in ("alice", "bob"):
            await keys.shows(f"#{user} .events", "the whole room")
        await keys.act("alice", "live")
        for user in ("alice", "bob"):
            await keys.shows(f"#{user} .events", "(live)")
        asked = [each["request"] for each in browser.told("Network.requestWillBeSent")]
        paths = [(e["method"], e["url"].rpartition("/")[2]) for e in asked if "/v1/" in e["url"]]
    live_id = next(iter({path for _, path in paths} - {"rooms", "events", "start"}))
    writes = [("POST", "rooms"), ("POST", "start")]
    assert sorted(paths) == sorted([*writes, ("GET", live_id), *[("GET", "events")] * 2])


async def test_it_speaks_chinese(sandbox: Sandbox, tmp_path: Path) -> None:
    """A Chinese browser gets a Chinese page; the switch gives the other language, problems too."""
    async with page(tmp_path) as browser:
        keys = Keyboard(browser, sandbox.url)
        await keys.begin("zh-CN")
        assert await browser.run("document.documentElement.lang") == "zh-CN"
        await keys.act("alice", "create")
        await keys.shows("#bob .push", "不向该用户显示")
        await keys.act("bob", "stop")
        await keys.shows("#bob .problem", "不是该直播间的主播")
        await keys.go_to(".languages [lang=en]")
        await keys.press("Enter", 13)
        await keys.shows("#bob .problem", "Not the room")
        await keys.shows("#bob .push", "not shown to this user")
        assert await browser.run("document.documentElement.lang") == "en"


async def test_everything_has_a_name(sandbox: Sandbox, tmp_path: Path) -> None:
    """A screen reader is told the name of each control, region and log; both sides alike."""
    async with page(tmp_path) as browser:
        keys = Keyboard(browser, sandbox.url)
        await keys.begin()
        await keys.act("alice", "create")
        await keys.shows("#bob .events", "the whole room")
        nodes = (await browser.call("Accessibility.getFullAXTree"))["nodes"]
    named = {"button", "textbox", "region", "log", "link"}
    found = [
        (each["role"]["value"], each.get("name", {}).get("value", ""))
        for each in nodes
        if not each["ignored"] and each["role"]["value"] in named
    ]
    assert {role for role, name in found if not name} == set()
    assert {("region", "alice"), ("region", "bob"), ("log", "Events of bob, newest first")} <= set(
        found
    )


@pytest.mark.parametrize(("width", "scheme"), SIZES)
async def test_it_fits(sandbox: Sandbox, tmp_path: Path, width: int, scheme: str) -> None:
    """Nothing sticks out, and the page follows the colour scheme."""
    async with page(tmp_path) as browser:
        keys = Keyboard(browser, sandbox.url)
        await browser.show(width, 844, scheme=scheme)
        await keys.begin()
        await keys.act("alice", "create")
        await keys.shows("#bob .push", "not shown")
        assert await browser.run("document.documentElement.scrollWidth <= innerWidth")
        colour = await browser.run("getComputedStyle(document.body).backgroundColor")
    assert (colour == "rgb(16, 18, 22)") is (scheme == "dark")
