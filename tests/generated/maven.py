"""Java programs and libraries from Maven's repository, each file pinned by its hash."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

HERE = Path(__file__).parent

needs_maven = pytest.mark.skipif(
    (shutil.which("mvn") is None or shutil.which("java") is None)
    and os.environ.get("CI") != "true",  # there it would not be missed
    reason="needs Maven and Java: apt-get install maven default-jre-headless",
)

_LIMIT = 300.0
_SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""A program that ends within seconds gains nothing from the optimising compiler."""


def fetched(folder: Path) -> Path:
    """Return a folder with the jars of `pom.xml`; fail if one is not the pinned one."""
    shutil.copy(HERE / "pom.xml", folder)
    run(
        "mvn", "-q", "-B", "-C", "dependency:copy-dependencies", "-DoutputDirectory=jars", at=folder
    )
    jars = folder / "jars"
    found = [f"{hashlib.sha256(jar.read_bytes()).hexdigest()}  {jar.name}" for jar in _in(jars)]
    assert found == (HERE / "jars.sha256").read_text("utf-8").splitlines()
    return jars


def java(classpath: Iterable[Path]) -> tuple[str, ...]:
    """Return the start of a command that runs a class."""
    return ("java", *_SHORT_LIVED, "-cp", os.pathsep.join(map(str, classpath)))


def run(*command: str, at: Path) -> str:
    """Run a command in a folder, and return what it prints; fail with that where it fails."""
    done = subprocess.run(  # noqa: S603  # our own commands
        command, cwd=at, capture_output=True, text=True, timeout=_LIMIT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())
