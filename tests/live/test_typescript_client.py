"""The TypeScript client: made of the document as it is, strict, small, and tested by Node's runner.

`npm ci` takes packages from the registry, so these tests are slow.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT
from tests.conftest import running_sandbox
from tests.live.browser import browsing, needs_chromium, sites
from tests.live.fault_server import rooms, serving
from tests.live.gateways import ALICE, BOB, Gateway, gateway_at
from tests.live.test_events import OFTEN, Vendor
from tests.live.test_events_in_browsers import live_a_life

needs_npm = pytest.mark.skipif(
    shutil.which("npm") is None and os.environ.get("CI") != "true",  # there it would not be missed
    reason="needs Node and npm: apt-get install nodejs npm",
)
pytestmark = [pytest.mark.slow, needs_npm]

PACKAGE = ROOT / "openapi" / "typescript"
COPIED = ("src", "test", "package.json", "package-lock.json", "tsconfig.json", ".npmrc")
TESTS = PACKAGE / "test"
_PAGE = """<!doctype html>
<link rel="icon" href="data:,">
<script type="module">
%s
const given = %s;
%s
</script>
"""
_WATCH = """
const seen = [];
const client = new LiveRoomGateway({baseUrl: given.url, token: () => given.bob});
for await (const event of client.watchRoom("1"))
  seen.push(event.type === "room" ? [event.room.live_status, event.room.chat_id] : event.type);
await fetch("/report", {method: "POST", body: JSON.stringify(seen)});
"""
_PROJECT = {
    "strict": True,
    "noEmit": True,
    "target": "ES2022",
    "module": "NodeNext",
    "lib": ["ES2022"],
    "types": ["node"],
}
"""The compiler's options of a program for Node, which checks the types of all packages."""

LARGEST = 6 * 1024
"""Bytes, minified and compressed, without the two dependencies."""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the package beside the document, with its dependencies."""
    folder = tmp_path_factory.mktemp("repository") / "openapi"
    folder.mkdir()
    shutil.copy(ROOT / "openapi" / "gateway.json", folder)
    copy = folder / "typescript"
    copy.mkdir()
    for name in COPIED:
        source = PACKAGE / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
    npm(copy, "ci")
    return copy


def npm(package: Path, *command: str) -> str:
    """Run a command of npm's, and return what it prints; fail with that where it fails."""
    done = subprocess.run(  # noqa: S603  # our own commands
        ["npm", "--silent", *command],  # noqa: S607  # of the path
        cwd=package,
        env={**os.environ, "GATEWAY_COMMAND": f"{sys.executable} -m gateway"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_types_are_those_of_the_document(package: Path) -> None:
    """The committed schema is made of the committed document."""
    npm(package, "run", "schema")
    made = (package / "src" / "schema.d.ts").read_text("utf-8")
    assert made == (PACKAGE / "src" / "schema.d.ts").read_text("utf-8")


def test_it_is_strict(package: Path) -> None:
    """It compiles strictly, and its own modules name no `any`."""
    npm(package, "run", "check")
    sources = [each for each in (package / "src").glob("*.ts") if each.name != "schema.d.ts"]
    assert len(sources) > 5
    for each in sources:
        assert ": any" not in each.read_text("utf-8"), each


def test_its_own_tests_pass(package: Path) -> None:
    """Against a sandbox, and against servers that misbehave."""
    assert "# fail 0" in npm(package, "test")


def test_the_console_has_it(package: Path) -> None:
    """The sandbox's page has the client as it is, bundled, and its dependencies' licences."""
    npm(package, "run", "console")
    console = Path("gateway", "sandbox", "console")
    for name in ("client.js", "client.js.LICENSE.txt"):
        made = package.parent.parent / console / name
        assert made.read_bytes() == (ROOT / console / name).read_bytes()


@needs_chromium
async def test_a_page_watches_with_it(package: Path, tmp_path: Path) -> None:
    """In Chromium, of another origin: a room's life, with ids that a number would round."""
    vendor = Vendor()
    vendor.fields |= {"chat_id": 2**53 + 1}
    async with (
        sites(1) as (site,),
        serving(vendor) as server,
        gateway_at(server.url, **OFTEN, CORS_ORIGINS=site.origin()) as gateway,
    ):
        site.page = page(package, _WATCH, url=url_of(gateway), bob=BOB)
        async with browsing(site.origin(), tmp_path):
            await live_a_life(gateway, vendor)
            assert await site.report() == [[0, str(2**53 + 1)], [1, str(2**53 + 1)], "deleted"]


@needs_chromium
async def test_a_page_does_all_with_it(package: Path, tmp_path: Path) -> None:
    """In Chromium, of another origin: a room's life, a conflict, a limit, and refused tokens."""
    async with sites(1) as (site,):
        settings = {
            "GATEWAY_CORS_ORIGINS": site.origin(),
            "GATEWAY_RATE_LIMIT_WRITES": "10/minute",
        }
        with running_sandbox(environ=settings) as sandbox:
            tokens = {name: sandbox.token(name) for name in ("alice", "bob")}
            script = TESTS.joinpath("page.js").read_text("utf-8")
            addresses = {"url": sandbox.url, "vendor": sandbox.upstream_url}
            site.page = page(package, script, **addresses, **tokens)
            async with browsing(site.origin(), tmp_path):
                assert await site.report() == {
                    "large": True,
                    "pushUrls": ["string", "undefined"],
                    "early": [409, "room_not_live", False, True],
                    "foreign": [403, "not_room_anchor", False, True],
                    "events": [0, 1, 2, "deleted"],
                    "limited": [429, "rate_limited", True, True],
                }


@needs_chromium
async def test_a_page_signs_in_by_cookie(package: Path, tmp_path: Path) -> None:
    """In Chromium: without a token it reads, watches and writes with what the browser keeps."""
    async with (
        sites(1) as (site,),
        serving(rooms) as server,
        gateway_at(server.url, JWT_COOKIE="session", CORS_ORIGINS=site.origin()) as gateway,
    ):
        site.cookie = f"session={ALICE}; Path=/; HttpOnly; SameSite=Strict"
        script = TESTS.joinpath("cookie.js").read_text("utf-8")
        site.page = page(package, script, url=url_of(gateway))
        async with browsing(site.origin(), tmp_path):
            assert await site.report() == {"read": "1", "watched": "1", "wrote": 2}


def page(package: Path, script: str, **given: str) -> str:
    """Return a page with the client and a script that uses it; `given` are its values."""
    return _PAGE % (npm(package, "run", "bundle"), json.dumps(given), script)


def url_of(gateway: Gateway) -> str:
    """Return the address that a page calls."""
    return f"http://127.0.0.1:{gateway.port}"


def test_a_stranger_compiles_against_what_is_packed(package: Path, tmp_path: Path) -> None:
    """A strict program for Node compiles against the tarball; no type of a room has an `any`."""
    packed = npm(package, "pack", f"--pack-destination={tmp_path}").strip()
    tmp_path.joinpath("package.json").write_text('{"type": "module"}', "utf-8")
    npm(tmp_path, "install", f"./{packed}")
    shutil.copy(TESTS / "consumer.ts", tmp_path)
    options = {**_PROJECT, "typeRoots": [str(package / "node_modules" / "@types")]}
    project = {"compilerOptions": options, "files": ["consumer.ts"]}
    tmp_path.joinpath("tsconfig.json").write_text(json.dumps(project), "utf-8")
    npm(package, "exec", "--", "tsc", "--project", str(tmp_path))


def test_it_is_small(package: Path) -> None:
    """Minified and compressed."""
    assert 1000 < len(gzip.compress(npm(package, "run", "size").encode())) <= LARGEST


def test_what_is_packed(package: Path) -> None:
    """The built files and their types, and nothing else."""
    (packed,) = json.loads(npm(package, "pack", "--dry-run", "--json"))
    names = {each["path"] for each in packed["files"]}
    assert {"package.json", "dist/index.js", "dist/index.d.ts", "dist/schema.d.ts"} <= names
    assert all(name.startswith("dist/") for name in names - {"package.json", "README.md"})


def test_the_lock_has_no_addresses() -> None:
    """Packages come from the registry that npm is set up for."""
    lock = json.loads((PACKAGE / "package-lock.json").read_text("utf-8"))
    assert lock["packages"]
    assert [name for name, each in lock["packages"].items() if "resolved" in each] == []
