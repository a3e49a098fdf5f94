"""Prometheus' own tool, which judges rules and expressions as the server would."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

_LIMIT = 60.0


def promtool(*arguments: str | Path, given: str = "") -> str:
    """Run it, `given` on its standard input, and return what it says; fail the test where it fails.

    Where there is none the test is skipped, but not in CI: there it would be missed.
    """
    found = shutil.which("promtool")
    if found is None:
        missing = "promtool is not installed (Debian: apt-get install prometheus)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    done = subprocess.run(  # noqa: S603  # what was found on PATH
        [found, *map(str, arguments)],
        env={**os.environ, "GOGC": "off"},  # it ends before collecting garbage pays
        input=given,
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )
    said = done.stdout + done.stderr
    if done.returncode:
        pytest.fail(said)
    return said


def written(path: Path, content: object) -> Path:
    """Write a file that it can read."""
    path.write_text(json.dumps(content), encoding="utf-8")  # which is YAML too, and soon written
    return path
