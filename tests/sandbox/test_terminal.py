"""`gateway sandbox` on a terminal: colour, a line for each request, and a browser if asked for."""

from pathlib import Path

import pytest

from tests import clients
from tests.commands import end, free_port, started, until_printed
from tests.terminal import COLOUR, SEQUENCE, gateway_on_terminal
from tests.waiting import eventually


def ask(url: str, shown: str) -> None:
    """Create a room as alice, whose token is shown, and ask without a token."""
    alice = SEQUENCE.sub("", shown).partition("ALICE=")[2].split()[0]
    with clients.client(url) as client:
        headers = {"Authorization": f"Bearer {alice}"}
        assert client.post("/v1/rooms", json={"title": "t"}, headers=headers).status_code == 201
        assert client.get("/v1/rooms/1").status_code == 401


@pytest.mark.parametrize("environ", [{}, {"NO_COLOR": "1"}])
def test_each_request_is_a_line(environ: dict[str, str]) -> None:
    """Requests must come as they are answered, with the user's name, and no second line."""
    port = free_port()
    arguments = ("sandbox", f"--port={port}", "--upstream-port=0")
    with gateway_on_terminal(*arguments, columns=120, environ=environ) as terminal:
        ask(f"http://127.0.0.1:{port}", terminal.until("Ctrl-C"))
        terminal.until(" missing")
        terminal.press("\x03")
        assert terminal.to_its_end() == 0
    lines = terminal.plain.partition("Ctrl-C")[2].splitlines()
    words = [line.split() for line in lines if "/v1/rooms" in line]
    assert [(each[1:4], each[6]) for each in words] == [
        (["POST", "/v1/rooms", "201"], "alice"),
        (["GET", "/v1/rooms/{live_id}", "401"], "missing"),
    ]
    assert "room_write" not in terminal.plain
    assert (COLOUR.search(terminal.shown) is None) is ("NO_COLOR" in environ)


def test_it_opens_a_browser(tmp_path: Path) -> None:
    """`--open` must open the console in the browser of the system."""
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n', encoding="utf-8")
    browser.chmod(0o700)
    port = free_port()
    options = (f"--port={port}", "--upstream-port=0", "--open")
    with started("sandbox", *options, BROWSER=str(browser)) as process:
        until_printed(process, "Ctrl-C")
        eventually(lambda: opened.exists() and opened.read_text() != "")
        end(process)
    assert opened.read_text("utf-8") == f"http://127.0.0.1:{port}/console\n"


def test_without_a_browser_it_goes_on(tmp_path: Path) -> None:
    """Where there is none, the address must be told, and the sandbox must go on."""
    names = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "TERM")
    nothing = {**dict.fromkeys(names, ""), "PATH": str(tmp_path)}
    with started("sandbox", "--port=0", "--upstream-port=0", "--open", **nothing) as process:
        until_printed(process, "Ctrl-C")
        assert process.stderr is not None
        assert "No browser was found; open http://" in process.stderr.readline()
        end(process)
