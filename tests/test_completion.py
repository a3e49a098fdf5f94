"""`gateway completion` completes words in real shells, and soon."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import environment, run
from tests.terminal import terminal

COMMAND = f"""#!{sys.executable}
import sys
sys.argv[0] = "gateway"
from gateway.cli import main
main()
"""
SHELLS = {
    "bash": (["--norc", "--noprofile", "-i"], '. "$SCRIPT"'),
    "zsh": (["-f", "-i"], 'autoload -Uz compinit; compinit -D -u; . "$SCRIPT"'),
    "fish": (["--no-config", "-i"], 'source "$SCRIPT"'),
}
FRAMEWORK = {"litestar", "granian", "structlog", "rich", "httpx", "jwt", "cryptography", "msgspec"}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed(shell: str) -> None:
    """The script is printed without configuration, for a shell that is not installed as well."""
    code, output, _ = run("completion", shell)
    assert code == 0
    assert f"_GATEWAY_COMPLETE={shell}_complete" in output


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("gateway sa", "gateway sandbox"),
        ("gateway check --off", "gateway check --offline"),
        ("gateway completion z", "gateway completion zsh"),
    ],
)
def test_a_shell_completes(shell: str, typed: str, completed: str, tmp_path: Path) -> None:
    """A real shell completes commands, options and their values at the press of a key."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"needs {shell}")
    command, script = tmp_path / "bin" / "gateway", tmp_path / "script"
    command.parent.mkdir()
    command.write_text(COMMAND)
    command.chmod(0o700)
    script.write_text(run("completion", shell)[1])
    path = f"{command.parent}:{environment()['PATH']}"
    home = {"HOME": str(tmp_path), "TERM": "xterm", "SCRIPT": str(script), "PATH": path}
    options, load = SHELLS[shell]
    with terminal([found, *options], environment(**home)) as screen:
        screen.press(f"{load}; echo load''ed\n")
        screen.until("loaded")
        screen.press(f"{typed}\t")
        screen.until(completed)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["serve", "-h"], []])
def test_words_and_help_need_no_framework(arguments: list[str]) -> None:
    """Help, version and completion load none of the libraries that serve requests."""
    program = (
        "import atexit, json, sys\n"
        "from gateway.cli import main\n"
        "atexit.register(lambda: print(json.dumps([*sys.modules]), file=sys.stderr))\n"
        f"main({arguments!r}, prog_name='gateway')"
    )
    asked = {"_GATEWAY_COMPLETE": "bash_complete", "COMP_WORDS": "gateway s", "COMP_CWORD": "1"}
    done = subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "-c", program],
        env=environment(**({} if arguments else asked)),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "serve" in done.stdout or "0." in done.stdout
    assert {*json.loads(done.stderr)} & FRAMEWORK == set()
