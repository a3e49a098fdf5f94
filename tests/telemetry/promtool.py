"""Prometheus' own tool, which checks rules and expressions as the server would."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

_LIMIT = 60.0


def promtool(*arguments: str | Path, given: str = "") -> str:
    """Run it with `given` on its standard input, and return its output; fail the test if it fails.

    Without promtool the test is skipped; in CI it fails.
    """
    found = shutil.which("promtool")
    if found is None:
        missing = "promtool is not installed (Debian: apt-get install prometheus)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    done = subprocess.run(  # noqa: S603  # the promtool on PATH
        [found, *map(str, arguments)],
        env={**os.environ, "GOGC": "off"},  # it ends before collecting garbage pays
        input=given,
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )
    output = done.stdout + done.stderr
    if done.returncode:
        pytest.fail(output)
    return output


def written(path: Path, content: object) -> Path:
    """Write `content` as JSON, which is YAML too and faster to write."""
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
