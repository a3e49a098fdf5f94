"""The examples of OPERATIONS.md for several gateways, taken out of the document."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from gateway.checks import audit
from gateway.settings import Settings, load
from tests.test_container import ENV

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT.joinpath(".github/OPERATIONS.md").read_text(encoding="utf-8")

PEM = b"-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n"


def block(mark: str) -> str:
    """Return the code block behind `<!-- mark -->`."""
    pattern = rf"^<!-- {mark} -->\n```\w+\n(.*?)^```$"
    [found] = re.findall(pattern, DOCUMENT, re.MULTILINE | re.DOTALL)
    return str(found)


def write_secrets(folder: Path) -> Path:
    """Run the lines that write the store's secrets, but their `chown`; return their folder."""
    folder.joinpath("secrets").mkdir()
    script = "chown() { :; }\n" + block("compose secrets")
    subprocess.run(["/bin/sh", "-euc", script], cwd=folder, check=True, timeout=30)  # noqa: S603  # the document's
    return folder / "secrets"


def settings_of(environ: Mapping[str, str], mounted: Mapping[str, bytes]) -> Settings:
    """Return the settings of our image in `environ`, with these files in it.

    Fails if they are not valid, or if the audit finds more than the container's own addresses.
    """
    whole = {**ENV, **environ}
    settings = load(whole, lambda path: mounted[str(path)])
    findings = [each.rule for each in audit(settings, files=(), environ=whole)]
    assert findings == ["A06"], findings
    return settings
