"""The output and the exit codes of the `gateway` command; `leaks/test_processes` starts each."""

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path

import click
import httpx
import jwt
import pytest
import yaml

from gateway import __version__
from gateway.checks import Severity
from gateway.cli import main
from tests.commands import ROOT, SECRET, VALID, behind, free_port, is_open, run, started
from tests.conftest import running_sandbox
from tests.terminal import COLOUR, gateway_on_terminal


@pytest.mark.parametrize("option", ["--port", "--upstream-port"])
def test_a_taken_port_is_one_clear_line(option: str) -> None:
    """A port that is in use ends the sandbox and `serve` with 1 and a line that names it."""
    other = "--upstream-port" if option == "--port" else "--port"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, output, errors = run("sandbox", f"{option}={port}", f"{other}={free_port()}")
        assert (code, output) == (1, "")
        assert re.fullmatch(rf"gateway: cannot listen on 127.0.0.1:{port}: .*--port.*\n", errors)
        code, output, errors = run("serve", environ={**VALID, "GATEWAY_PORT": str(port)})
        assert (code, output) == (1, "")
        assert re.fullmatch(rf"gateway: cannot listen on .*:{port}: .*GATEWAY_PORT\n", errors)


@pytest.mark.parametrize("command", [["serve"], ["check"], ["check", "--json"]])
def test_an_invalid_configuration_lists_every_problem(command: list[str]) -> None:
    """An invalid configuration ends a command with 2, naming each variable and no value."""
    port = free_port()
    environ = {
        "GATEWAY_SECRET_KEY": "canary secret key",
        "GATEWAY_UPSTREAM_URL": "canary://",
        "GATEWAY_JWT_SECRET": "canary-short",
        "GATEWAY_PORT": str(port),
        "GATEWAY_WORKERS": "canary",
        "GATEWAY_ACCES_KEY": "canary",
    }
    code, output, errors = run(*command, environ=environ)
    told = output + errors
    assert code == 2
    for name in environ.keys() - {"GATEWAY_PORT"}:
        assert re.search(rf"\b{name}\b", told), name
    assert "GATEWAY_ACCESS_KEY" in told
    if "--json" in command:
        report = json.loads(output)
        assert not report["ok"]
        assert {each["subject"] for each in report["findings"]} > {"GATEWAY_ACCESS_KEY"}
    assert not is_open(port)


def test_check_finds_everything_well() -> None:
    """Keys that the upstream accepts pass the check, with latency and clock, as text and JSON."""
    with running_sandbox() as sandbox:
        code, output, _ = run("check", environ=behind(sandbox))
        assert code == 0
        assert "accepted the signature in" in output
        assert re.search("clock +[0-9]+ s", output)
        assert "GATEWAY_JWT_ISSUER" in output
        assert "GATEWAY_JWT_AUDIENCE" in output
        code, output, _ = run("check", "--json", environ=behind(sandbox))
        report = json.loads(output)
        assert (code, report["ok"]) == (0, True)
        severities = {each["subject"]: each["severity"] for each in report["findings"]}
        assert severities["upstream"] == severities["clock"] == "ok"


def test_check_finds_wrong_keys() -> None:
    """Keys that the upstream refuses fail the check, and neither of them is printed."""
    with running_sandbox() as sandbox:
        environ = {**behind(sandbox), "GATEWAY_SECRET_KEY": "canary-secret-key"}
        code, output, _ = run("check", environ=environ)
        assert code == 1
        assert re.search("failed +upstream .*credentials", output)
        assert environ["GATEWAY_ACCESS_KEY"] not in output


@pytest.mark.parametrize("listening", [True, False])
def test_check_finds_an_upstream_that_does_not_answer(*, listening: bool) -> None:
    """An upstream that refuses connections or hangs fails the check, without a crash at exit."""
    with socket.socket() as upstream:
        upstream.bind(("127.0.0.1", 0))
        if listening:
            upstream.listen()
        url = f"http://127.0.0.1:{upstream.getsockname()[1]}"
        environ = {**VALID, "GATEWAY_UPSTREAM_URL": url, "GATEWAY_UPSTREAM_TIMEOUT": "0.2"}
        code, output, errors = run("check", environ=environ)
        assert (code, errors) == (1, "")
        reason = "[^{}]+" if listening else r"[^{}]*Connection refused[^{}]*"
        assert re.search(f"failed +upstream +{url}: no reply: {reason}\n", output)


def test_check_can_leave_the_network_alone() -> None:
    """`--offline` judges the configuration alone: neither upstream nor store is asked."""
    with socket.socket() as upstream:
        upstream.bind(("127.0.0.1", 0))
        upstream.listen()
        upstream.settimeout(0)
        url = f"http://127.0.0.1:{upstream.getsockname()[1]}"
        environ = {
            **VALID,
            "GATEWAY_UPSTREAM_URL": url,
            "GATEWAY_REDIS_URL": url.replace("http", "redis"),
        }
        code, output, _ = run("check", "--offline", environ=environ)
        assert code == 0
        assert "store" not in output
        with pytest.raises(BlockingIOError):
            upstream.accept()


def test_check_audits(tmp_path: Path) -> None:
    """Findings have rule, severity, variable and advice, and fail from the chosen severity on."""
    file = tmp_path / "secret"
    file.write_text(VALID["GATEWAY_SECRET_KEY"])
    file.chmod(0o660)
    environ = {**VALID, "GATEWAY_SECRET_KEY": "", "GATEWAY_SECRET_KEY_FILE": str(file)}
    code, output, _ = run("check", "--offline", "--json", environ=environ)
    report = json.loads(output)
    assert (code, report["ok"]) == (0, True)
    assert [(each["rule"], each["severity"], each["subject"]) for each in report["audit"]] == [
        ("A01", "warning", "GATEWAY_JWT_ISSUER"),
        ("A02", "warning", "GATEWAY_JWT_AUDIENCE"),
        ("A03", "warning", "GATEWAY_JWT_SECRET"),
        ("A12", "info", "GATEWAY_SECRET_KEY_FILE"),
        ("A13", "error", "GATEWAY_SECRET_KEY_FILE"),
    ]
    assert all(each["message"] and each["advice"] for each in report["audit"])
    for mode, severity, expected in ((0o660, "error", 1), (0o400, "error", 0), (0o400, "info", 1)):
        file.chmod(mode)
        code, output, _ = run("check", "--offline", "--fail-on", severity, environ=environ)
        assert code == expected
        assert re.search("warning +GATEWAY_JWT_ISSUER +A01: not set", output)
    assert run("check", "--offline", "--fail-on", "fatal", environ=environ)[0] == 2


def test_token_mints_what_the_gateway_accepts() -> None:
    """A token needs only the secret to be minted, and carries user, scopes and lifetime."""
    environ = {"GATEWAY_JWT_SECRET": SECRET, "GATEWAY_JWT_ISSUER": "https://a.example"}
    options = ["--scope", "rooms:admin", "--scope", "x", "--ttl", "60"]
    code, output, _ = run("token", "bob", *options, environ=environ)
    assert code == 0
    claims = jwt.decode(output.strip(), SECRET, algorithms=["HS256"])
    assert (claims["sub"], claims["iss"]) == ("bob", "https://a.example")
    assert claims["scope"] == "rooms:admin x"
    assert claims["exp"] - claims["iat"] == 60
    with running_sandbox(environ=environ) as sandbox:
        headers = {"Authorization": f"Bearer {output.strip()}"}
        body = {"title": "t", "anchor_id": "alice"}
        response = httpx.post(f"{sandbox.url}/v1/rooms", json=body, headers=headers)
        assert response.status_code == 201


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (["alice"], {}),
        (["alice"], {"GATEWAY_JWT_SECRET": "canary-short"}),
        (["alice"], {"GATEWAY_JWT_JWKS_URL": "https://a.example/keys"}),
        (["alice"], {"GATEWAY_JWT_SECRET": SECRET, "GATEWAY_JWT_ALGORITHMS": "HS512"}),
        (["a b"], {"GATEWAY_JWT_SECRET": SECRET}),
        ([""], {"GATEWAY_JWT_SECRET": SECRET}),
        (["alice", "--ttl", "0"], {"GATEWAY_JWT_SECRET": SECRET}),
        ([], {"GATEWAY_JWT_SECRET": SECRET}),
    ],
)
def test_token_refuses_what_the_gateway_would(
    arguments: list[str], environ: dict[str, str]
) -> None:
    """A token that the gateway would not accept is not printed, and the exit code is 2."""
    code, output, errors = run("token", *arguments, environ=environ)
    assert (code, output) == (2, "")
    assert errors


def test_openapi_prints_the_committed_document() -> None:
    """`openapi` prints the committed document without any configuration."""
    code, output, _ = run("openapi")
    assert (code, output) == (0, (ROOT / "openapi" / "gateway.json").read_text())


@pytest.mark.parametrize(("name", "read"), [("dashboard", json.loads), ("alerts", yaml.safe_load)])
def test_what_watches_it_is_printed(name: str, read: Callable[[str], object]) -> None:
    """A dashboard and alert rules are printed byte for byte, without any configuration."""
    [file] = (ROOT / "gateway" / "telemetry").glob(f"{name}.*")
    code, output, errors = run(name)
    assert (code, output, errors) == (0, file.read_text(encoding="utf-8"), "")
    assert read(output)


def test_the_version() -> None:
    """The version is printed as a word and a number, for scripts."""
    assert run("--version") == (0, f"gateway {__version__}\n", "")


def test_help_lists_every_command_on_a_line() -> None:
    """Every command stands under a heading, with its purpose on the same line."""
    code, output, _ = run("-h")
    assert code == 0
    context = click.Context(main)
    listed = main.list_commands(context)
    assert sorted(listed) == sorted(main.commands)
    for name in listed:
        about = main.commands[name].get_short_help_str(limit=100)
        assert re.search(rf"^  {name} +{re.escape(about)}$", output, re.MULTILINE)


@pytest.mark.parametrize("name", [None, *main.commands])
def test_help_tells_of_every_option(name: str | None) -> None:
    """Help explains every option, gives examples, and fits into 80 columns."""
    command = main if name is None else main.commands[name]
    code, output, _ = run(*([name] if name else []), "--help")
    assert code == 0
    assert max(map(len, output.splitlines())) <= 80
    for each in command.params:
        if isinstance(each, click.Option):
            assert each.help
            assert each.opts[0] in output
    assert bool(command.epilog) is (name != "openapi")


def test_check_knows_every_severity() -> None:
    """`--fail-on` takes every severity but ok, and its choices need no import of the checks."""
    [option] = (each for each in main.commands["check"].params if each.name == "fail_on")
    assert isinstance(option.type, click.Choice)
    assert ["ok", *option.type.choices] == [*Severity]


@pytest.mark.parametrize(("columns", "colour"), [(80, True), (120, False)])
def test_check_on_a_terminal(columns: int, *, colour: bool) -> None:
    """Findings fit the terminal's width and are coloured by severity, unless NO_COLOR forbids."""
    environ = {**VALID, "GATEWAY_TRUSTED_PROXIES": "0.0.0.0/0"}
    if not colour:
        environ["NO_COLOR"] = "1"
    arguments = ["check", "--offline", "--fail-on", "error"]
    with gateway_on_terminal(*arguments, columns=columns, environ=environ) as screen:
        assert screen.to_its_end() == 1
    assert max(map(len, screen.plain.splitlines())) <= columns
    assert re.search("error +A10 +GATEWAY_TRUSTED_PROXIES", screen.plain)
    assert screen.plain.splitlines()[-1] == "failed: 1 error, 3 warnings"
    assert bool(COLOUR.search(screen.shown)) is colour


@pytest.mark.parametrize("command", ["check", "serve"])
def test_an_invalid_configuration_on_a_terminal(command: str) -> None:
    """A terminal shows the same problems, each within its column, and the same exit code."""
    environ = {"GATEWAY_WORKERS": "canary", "GATEWAY_UPSTREAM_URL": "canary"}
    _, _, expected = run(command, environ=environ)
    with gateway_on_terminal(command, columns=80, environ=environ) as screen:
        assert screen.to_its_end() == 2
    assert max(map(len, screen.plain.splitlines())) <= 80
    for line in expected.splitlines()[2:]:
        _, name, message = line.split(maxsplit=2)
        assert re.search(rf"failed +{name} ", screen.plain)
        assert "".join(message.split()) in "".join(screen.plain.split())


def test_check_prints_json_on_a_terminal_too() -> None:
    """`check --json` prints JSON on a terminal too."""
    arguments = ["check", "--offline", "--json"]
    with gateway_on_terminal(*arguments, columns=2000, environ=VALID) as screen:
        assert screen.to_its_end() == 0
    assert json.loads(screen.shown)["ok"]


@pytest.mark.parametrize("option", ["--port", "--upstream-port"])
def test_a_port_that_is_none(option: str) -> None:
    """A number that is no port is refused as a mistake on the command line."""
    code, output, errors = run("sandbox", option, "65536")
    assert (code, output) == (2, "")
    assert option in errors


def test_a_reader_that_has_seen_enough() -> None:
    """A reader such as `head` may close the pipe early without causing a crash."""
    with started("dashboard") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=20) in {0, 1}
        assert process.stderr is not None
        assert process.stderr.read() == ""
