"""The gateway keeps to its own OpenAPI document: Schemathesis finds nothing.

For creates `schemathesis_hooks` replaces a built-in check by a more exact one. Event streams are
left out, because it would wait for their end: test_events has them.
"""

import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from tests.conftest import running_sandbox, signed_in

DOCUMENT = Path(__file__).parents[2] / "openapi" / "gateway.json"
SECRET = "callback-secret-of-more-than-32-characters"
ALL_ROUTES = {
    "GATEWAY_JWT_ISSUER": "https://accounts.example.com",
    "GATEWAY_CALLBACK_SECRET": SECRET,
}
VENDOR = b64encode(f"qlive:{SECRET}".encode()).decode()
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")

CONFIG = """
hooks = "{hooks}"

[checks]
enabled = true

[generation]
deterministic = true
max-examples = 40

[phases.stateful.inference]
algorithms = []

[[operations]]
include-name = "POST /v1/rooms"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "GET /v1/rooms/{{live_id}}/events"
enabled = false

[[operations]]
include-name = "POST /v1/callbacks/qlive"
headers = {{ Authorization = "Basic {vendor}" }}
"""


@pytest.mark.slow
def test_it_finds_nothing(tmp_path: Path) -> None:
    """Examples, boundary values, fuzzing and sequences of calls by alice must find no fault."""
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(hooks=HOOKS, vendor=VENDOR))
    not_measured = {"COVERAGE_PROCESS_START": ""}  # it would take twice the time
    environ = {**os.environ, "PYTHONWARNINGS": "default", **not_measured}
    with running_sandbox(environ=ALL_ROUTES) as sandbox:
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
            *("run", str(DOCUMENT), "--url", sandbox.url, "--no-color"),
            *("--header", f"Authorization: {signed_in(sandbox, 'alice')['Authorization']}"),
        ]
        run = subprocess.run(  # noqa: S603  # the tool, on our own document
            command,
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "3 covered / 3 selected" in run.stdout
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in run.stdout
