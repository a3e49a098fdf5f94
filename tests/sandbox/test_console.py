"""The console: the sandbox alone has it, and shows the users' tokens to nobody else's page."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import gateway.sandbox
from tests import clients
from tests.commands import behind, end, free_port, started
from tests.conftest import running_sandbox
from tests.waiting import eventually

PARTS = Path(gateway.sandbox.__file__).parent / "console"
FILES = sorted(each.name for each in PARTS.iterdir() if each.suffix in {".js", ".css"})
PATHS = ["/console", "/console/users", *(f"/console/{name}" for name in FILES)]


@pytest.fixture(scope="module")
def browser() -> Iterator[httpx.Client]:
    """A client of a sandbox, as a browser is."""
    with running_sandbox() as sandbox, clients.client(sandbox.url) as client:
        yield client


def shown(browser: httpx.Client) -> dict[str, dict[str, str]]:
    """Return the headers that sign in each user that the page shows."""
    users = browser.get("/console/users").json()["users"]
    return {each["id"]: {"Authorization": f"Bearer {each['token']}"} for each in users}


def test_the_page_has_the_policy_of_the_docs(browser: httpx.Client) -> None:
    """Its policy allows nothing from another host, and no script in the page."""
    page, docs = browser.get("/console"), browser.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"] == docs.headers["content-security-policy"]


@pytest.mark.parametrize("name", FILES)
def test_its_files_are_served(browser: httpx.Client, name: str) -> None:
    """Each file comes as it is, with the type that a browser wants, and is not sent twice."""
    answer = browser.get(f"/console/{name}")
    assert answer.content == (PARTS / name).read_bytes()
    kind = {".js": "text/javascript", ".css": "text/css"}[Path(name).suffix]
    assert answer.headers["content-type"] == kind
    etag = {"If-None-Match": answer.headers["etag"]}
    assert browser.get(f"/console/{name}", headers=etag).status_code == 304


@pytest.mark.parametrize("name", ["index.html", "client.js.LICENSE.txt", "..%2frun.py", "none.js"])
def test_nothing_else_is_served(browser: httpx.Client, name: str) -> None:
    """Any other name is unknown."""
    assert browser.get(f"/console/{name}").status_code == 404


def test_its_users_are_signed_in(browser: httpx.Client) -> None:
    """Both users' tokens create rooms; no cache may keep them."""
    for headers in (users := shown(browser)).values():
        assert browser.post("/v1/rooms", json={"title": "t"}, headers=headers).status_code == 201
    assert list(users) == ["alice", "bob"]
    assert browser.get("/console/users").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8080", 200), ("127.0.0.1", 200), ("[::1]:80", 200)]
    + [(host, 404) for host in ("evil.example", "localhost.evil.example", "127.0.0.1:80:80", "")],
)
def test_the_tokens_are_for_this_machine(browser: httpx.Client, host: str, status: int) -> None:
    """A site whose name is made to point here gets no tokens."""
    assert browser.get("/console/users", headers={"Host": host}).status_code == status


def test_in_production_there_is_no_console() -> None:
    """Under `serve` its paths and files are unknown."""
    port = free_port()
    with running_sandbox() as sandbox:
        environ = behind(sandbox) | {"GATEWAY_PORT": str(port), "GATEWAY_METRICS_PORT": "0"}
        with started("serve", **environ) as process:
            eventually(lambda: clients.is_ready(port))
            with clients.client(f"http://127.0.0.1:{port}") as client:
                codes = {client.get(path).json()["code"] for path in PATHS}
            end(process)
    assert codes == {"not_found"}
