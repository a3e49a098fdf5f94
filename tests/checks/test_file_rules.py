"""Audit rules about key files, and the facts read from a real file system."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.checks import audit, key_files
from gateway.checks.key_files import KeyFile
from gateway.settings import load

OPEN, CLOSED = 0o755, 0o700
SETTINGS = load(
    {
        "GATEWAY_ACCESS_KEY": "ak",
        "GATEWAY_SECRET_KEY": "sk",
        "GATEWAY_JWT_PUBLIC_KEY": "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----",
        "GATEWAY_JWT_ISSUER": "https://accounts.example",
        "GATEWAY_JWT_AUDIENCE": "live",
    }
)
SECRET_FILE, PEM_FILE = "GATEWAY_SECRET_KEY_FILE", "GATEWAY_JWT_PUBLIC_KEY_FILE"


def rules(
    mode: int,
    *,
    secret: bool = True,
    ours: bool = True,
    above: tuple[int, ...] = (OPEN,),
    via: tuple[int, ...] = (OPEN,),
) -> list[str]:
    """Return the rules that such a file breaks."""
    file = KeyFile(SECRET_FILE, secret, mode, ours, above, via)
    found = list(audit(SETTINGS, [file], {}))
    assert all(each.subject == SECRET_FILE for each in found)
    return [each.rule for each in found]


@pytest.mark.parametrize(
    ("mode", "broken"),
    [
        (0o400, []),
        (0o600, []),
        (0o700, []),
        (0o440, ["A12"]),
        (0o640, ["A12"]),
        (0o444, ["A11"]),
        (0o644, ["A11"]),
        (0o604, ["A11"]),
        (0o660, ["A12", "A13"]),
        (0o666, ["A11", "A13"]),
        (0o620, ["A13"]),
        (0o602, ["A13"]),
    ],
)
def test_mode_of_a_secret(mode: int, broken: list[str]) -> None:
    """A secret file breaks a rule for each of: group reads, others read, others write."""
    assert rules(mode) == broken


def test_public_key_may_be_read() -> None:
    """A public key may be read by everyone, but not be changed by others."""
    assert rules(0o644, secret=False) == []
    assert rules(0o664, secret=False) == ["A13"]


def test_closed_directory() -> None:
    """A directory that only its owner may enter protects the files in it."""
    assert rules(0o644, above=(OPEN, CLOSED, OPEN)) == ["A12"]
    assert rules(0o644, above=(OPEN, OPEN), via=(CLOSED, OPEN)) == ["A11"]


@pytest.mark.parametrize("where", ["above", "via"])
def test_world_writable_directory(where: str) -> None:
    """A13 is broken by a world-writable directory, of file or link, unless it is sticky."""
    for mode, found in ((0o777, ["A13"]), (0o1777, [])):
        modes = {where: (OPEN, mode, OPEN)}
        assert rules(0o400, **modes) == found  # type: ignore[arg-type]  # a name that is drawn


def test_owner() -> None:
    """A key file of another owner breaks A13."""
    assert rules(0o400, ours=False) == ["A13"]


def test_files_are_looked_up(tmp_path: Path) -> None:
    """Every named file is read by its variable, and a link is followed to its end."""
    real, linked = tmp_path / "..2026_11" / "sk", tmp_path / "sk"
    for directory in (real.parent, tmp_path):
        directory.mkdir(exist_ok=True)
    real.parent.chmod(0o755)
    real.write_text("sk")
    real.chmod(0o640)
    (tmp_path / "..data").symlink_to(real.parent.name)
    linked.symlink_to("..data/sk")
    pem = tmp_path / "pem"
    pem.write_text("pem")
    pem.chmod(0o444)
    tmp_path.chmod(0o1777)
    found = found_files({SECRET_FILE: str(linked), PEM_FILE: str(pem), "GATEWAY_PORT": "1"})
    assert set(found) == {SECRET_FILE, PEM_FILE}
    assert (found[SECRET_FILE].mode, found[SECRET_FILE].secret) == (0o640, True)
    assert (found[PEM_FILE].mode, found[PEM_FILE].secret) == (0o444, False)
    assert found[SECRET_FILE].above[:2] == (0o755, 0o1777)
    assert found[SECRET_FILE].via[0] == 0o1777
    assert len(found[SECRET_FILE].above) == len(real.parts) - 1


def test_owners(tmp_path: Path) -> None:
    """Files of root and of the user are ours, others are not; for root every file is ours."""
    key = tmp_path / "sk"
    key.write_text("sk")
    owner = key.stat().st_uid
    for user, ours in ((owner, True), (0, True), (owner + 1, owner == 0)):
        [file] = key_files({SECRET_FILE: str(key)}, user)
        assert file.ours is ours


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """A missing file and a pipe are skipped."""
    reading, writing = os.pipe()
    try:
        for path in (tmp_path / "none", Path(f"/dev/fd/{reading}")):
            assert key_files({SECRET_FILE: str(path)}, os.geteuid()) == ()
    finally:
        os.close(reading)
        os.close(writing)


def test_empty_is_unset() -> None:
    """A variable set to the empty string names no file."""
    assert key_files({SECRET_FILE: ""}, os.geteuid()) == ()


def found_files(environ: Mapping[str, str]) -> dict[str, KeyFile]:
    """Return the files by their variables."""
    return {each.variable: each for each in key_files(environ, os.geteuid())}
