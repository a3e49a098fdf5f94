"""Key files that change while the gateway runs."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import CapturingLogger

from gateway.metrics import Metrics
from gateway.rotation import Rotation, stamp_of_keys
from gateway.settings import Problem, Settings, SettingsError
from gateway.telemetry import SharedMetrics, families
from tests.telemetry.counts import nonzero


class World:
    """A rotation over files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = CapturingLogger()
        self.adopted: list[tuple[str, str]] = []
        self.refuse = False
        self.write("ak", "ak-1")
        self.write("sk", "sk-1")
        self.environ = {
            "GATEWAY_ACCESS_KEY_FILE": str(folder / "ak"),
            "GATEWAY_SECRET_KEY_FILE": str(folder / "sk"),
            "GATEWAY_JWT_SECRET": "x" * 32,
        }
        self.block = SharedMetrics(families(Metrics))
        self.rotation = self.over(self.environ)

    def over(self, environ: Mapping[str, str], **options: Any) -> Rotation:
        """Return the rotation of the key files named in `environ`."""
        refreshes = Metrics(self.block).key_refreshes
        return Rotation(environ, self._adopt, self.log, refreshes, **options)

    def write(self, name: str, text: str) -> None:
        """Replace a file atomically."""
        new = self.folder / "new"
        new.write_text(text)
        new.rename(self.folder / name)

    async def checks(self, times: int) -> list[tuple[str, str]]:
        """Check so many times; return all adopted keys."""
        for _ in range(times):
            await self.rotation.check()
        return self.adopted

    @property
    def events(self) -> list[str]:
        """The logged events."""
        return [call.args[0] for call in self.log.calls]

    def _adopt(self, settings: Settings, _read_at: float) -> None:
        if self.refuse:
            raise SettingsError(Problem("GATEWAY_JWT_SECRET", "is too short"))
        self.adopted.append((settings.access_key.reveal(), settings.secret_key.reveal()))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A rotation over files of its own."""
    return World(tmp_path)


async def test_nothing_happens_while_nothing_changes(world: World) -> None:
    """Checks without a change adopt and log nothing."""
    assert await world.checks(5) == []
    assert world.events == []


async def test_a_change_is_taken_once_it_has_settled(world: World) -> None:
    """A pair written one after the other is loaded together, once."""
    world.write("ak", "ak-2")
    assert await world.checks(1) == []
    world.write("sk", "sk-2")
    assert await world.checks(1) == []
    assert await world.checks(5) == [("ak-2", "sk-2")]
    assert world.events == ["keys_reloaded"]


async def test_a_change_is_taken_at_once_when_that_is_asked(world: World) -> None:
    """A requested reload happens at once, even without a change."""
    world.write("ak", "ak-2")
    world.rotation.request_reload()
    assert await world.checks(1) == [("ak-2", "sk-1")]
    world.rotation.request_reload()
    assert await world.checks(3) == [("ak-2", "sk-1")] * 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "sk").unlink(),
        lambda folder: (folder / "sk").write_text(""),
        lambda folder: (folder / "sk").write_text("half a\nkey"),
        lambda folder: (folder / "sk").write_bytes(b"\xff\xfe"),
    ],
    ids=["missing", "empty", "not valid", "not text"],
)
async def test_a_bad_file_changes_nothing(world: World, spoil: Callable[[Path], None]) -> None:
    """A bad file keeps the old keys, is logged once, and the next good file is loaded."""
    world.write("ak", "ak-2")
    spoil(world.folder)
    assert await world.checks(10) == []
    assert world.events == ["key_reload_failed"]
    assert "half a" not in str(world.log.calls)
    world.write("sk", "sk-2")
    assert await world.checks(3) == [("ak-2", "sk-2")]


async def test_a_key_that_cannot_be_used_changes_nothing(world: World) -> None:
    """Valid settings with an unusable key change nothing."""
    world.refuse = True
    world.write("ak", "ak-2")
    assert await world.checks(10) == []
    assert world.events == ["key_reload_failed"]


async def test_a_folder_that_is_swapped_is_a_change(tmp_path: Path) -> None:
    """A replaced symlink above the files, as Kubernetes does it, is a change."""
    for number in (1, 2):
        version = tmp_path / f"version-{number}"
        version.mkdir()
        (version / "ak").write_text(f"ak-{number}")
        (version / "sk").write_text(f"sk-{number}")
    (tmp_path / "data").symlink_to("version-1")
    world = World(tmp_path / "version-1")
    files = {f"GATEWAY_{key}_FILE": tmp_path / "data" / name for key, name in NAMES.items()}
    environ = {"GATEWAY_JWT_SECRET": "x" * 32, **{key: str(path) for key, path in files.items()}}
    world.rotation = world.over(environ)
    (tmp_path / "next").symlink_to("version-2")
    (tmp_path / "next").rename(tmp_path / "data")
    assert await world.checks(3) == [("ak-2", "sk-2")]


NAMES = {"ACCESS_KEY": "ak", "SECRET_KEY": "sk"}


async def test_reloads_are_counted(world: World) -> None:
    """Reloads are counted by outcome."""
    world.rotation.request_reload()
    await world.checks(1)
    world.refuse = True
    world.rotation.request_reload()
    await world.checks(1)
    assert nonzero(world.block, Metrics.key_refreshes) == {
        ("files", "ok"): 1,
        ("files", "failed"): 1,
    }


async def test_a_change_before_the_first_look_is_not_missed(world: World) -> None:
    """A file that changes after it was first read is loaded, though nobody looked in between."""
    before = stamp_of_keys(world.environ)
    world.write("ak", "ak-2")
    world.rotation = world.over(world.environ, read_at=before)
    assert await world.checks(3) == [("ak-2", "sk-1")]


async def test_a_file_whose_mode_changes_has_changed(world: World) -> None:
    """A file that becomes readable, with the content it had, is loaded."""
    (world.folder / "sk").chmod(0o440)
    assert await world.checks(3) == [("ak-1", "sk-1")]


@pytest.mark.parametrize("instead", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
async def test_what_is_no_file_is_looked_at_once(
    world: World, instead: Callable[[Path], None]
) -> None:
    """A folder or a pipe in place of a file is logged once, whatever happens in it."""
    place = world.folder / "sk"
    place.unlink()
    instead(place)
    for second in range(5):
        os.utime(place, (second, second))
        await world.checks(2)
    assert (world.events, world.adopted) == (["key_reload_failed"], [])


async def test_a_failed_reload_follows_another_worker(world: World) -> None:
    """After a failed reload, and only then, the keys of other workers are asked for."""
    followed: list[str] = []
    world.rotation = world.over(world.environ, follow=lambda: followed.append("others"))
    world.write("ak", "ak-2")
    await world.checks(3)
    assert followed == []
    (world.folder / "ak").unlink()
    await world.checks(3)
    assert followed == ["others"]
