"""Key files are read without waiting, within a bound, and only if they are regular files."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.settings import SettingsError, load

INSTEAD: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "one byte too long": lambda path: path.write_text("x" * 65_537),
}


def secret_in(path: Path) -> str:
    """Load the settings with the token secret in a file; return it."""
    keys = {"GATEWAY_ACCESS_KEY": "ak", "GATEWAY_SECRET_KEY": "sk"}
    settings = load({**keys, "GATEWAY_JWT_SECRET_FILE": str(path)})
    assert settings.jwt_secret is not None
    return settings.jwt_secret.reveal()


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("instead", INSTEAD.values(), ids=INSTEAD.keys())
def test_anything_else_is_refused_at_once(
    tmp_path: Path, instead: Callable[[Path], object]
) -> None:
    """Anything but a regular file of 64 KiB is refused, without a descriptor left open."""
    path = tmp_path / "key"
    instead(path)
    before = descriptors()
    for _ in range(3):
        with pytest.raises(SettingsError) as refused:
            secret_in(path)
        [problem] = refused.value.problems
        assert problem.variable == "GATEWAY_JWT_SECRET_FILE"
        assert problem.message.startswith(("must name a regular file", "must name a file of at mo"))
    assert descriptors() == before


def test_the_longest_file_is_read_through_a_link(tmp_path: Path) -> None:
    """A link to a file of 64 KiB is read to its end."""
    (tmp_path / "file").write_text("x" * 65_536)
    (tmp_path / "link").symlink_to("file")
    assert secret_in(tmp_path / "link") == "x" * 65_536
