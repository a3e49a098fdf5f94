"""The verdict of `gateway check`, and its two renderings for people."""

from collections.abc import Sequence
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from rich.console import Console

from gateway.checks import Finding, Report, Severity, invalid, lines, report, show
from gateway.checks.key_files import KeyFile
from gateway.checks.network import key_set_findings, upstream_findings
from gateway.checks.probe import Probe
from gateway.identity import KeySet, hmac_key
from gateway.identity.jwk import NamedKey
from gateway.settings import Problem, load

SOUND = {
    "GATEWAY_ACCESS_KEY": "ak",
    "GATEWAY_SECRET_KEY": "sk",
    "GATEWAY_JWT_PUBLIC_KEY": "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----",
    "GATEWAY_JWT_ISSUER": "https://accounts.example",
    "GATEWAY_JWT_AUDIENCE": "live",
}
WARNED = {"GATEWAY_JWT_LEEWAY": "61"}
WRONG = {"GATEWAY_TRUSTED_PROXIES": "0.0.0.0/0"}
ALONE = {"GATEWAY_REDIS_URL": "none"}

GROUP = [KeyFile("GATEWAY_SECRET_KEY_FILE", True, 0o440, True, (0o755,), (0o755,))]  # noqa: FBT003  # a table's row


def reported(
    changes: dict[str, str], answer: Probe | None = None, files: Sequence[KeyFile] = ()
) -> Report:
    """Return the report on a sound configuration with these changes."""
    environ = SOUND | changes
    settings = load(environ)
    return report(settings, environ, upstream_findings(settings, answer) if answer else (), files)


@pytest.mark.parametrize(
    ("changes", "files", "failing"),
    [
        ({}, [], []),
        ({}, GROUP, ["info"]),
        (WARNED, [], ["info", "warning"]),
        (ALONE, [], ["info", "warning"]),
        (WRONG, [], ["info", "warning", "error"]),
        (WARNED | WRONG, GROUP, ["info", "warning", "error"]),
    ],
)
def test_findings_fail_it_from_a_severity_on(
    changes: dict[str, str], files: Sequence[KeyFile], failing: list[str]
) -> None:
    """Findings fail the check only from the chosen severity on, by default only failures."""
    assert reported(changes, files=files).ok
    environ = SOUND | changes
    for severity in (Severity.INFO, Severity.WARNING, Severity.ERROR):
        judged = report(load(environ), environ, (), files, severity)
        assert judged.ok is (severity not in failing)


@pytest.mark.parametrize("fail_on", [each for each in Severity if each is not Severity.OK])
def test_a_failed_check_always_fails_it(fail_on: Severity) -> None:
    """An upstream that refuses the signature fails the check at every chosen severity."""
    settings = load(SOUND)
    for problem, ok in (("no reply", False), (None, True)):
        network = upstream_findings(settings, Probe(problem, 0.1, 0))
        assert report(settings, SOUND, network, fail_on=fail_on).ok is ok


@pytest.mark.parametrize(
    ("skew", "severity", "message"),
    [
        (10, "ok", "10 s ahead of the upstream's"),
        (3600, "warning", "3600 s ahead of the upstream's"),
        (-11, "warning", "11 s behind the upstream's"),
    ],
)
def test_a_wrong_clock_is_a_warning(skew: int, severity: str, message: str) -> None:
    """A clock that differs by more than the leeway is a warning."""
    [_, clock] = upstream_findings(load(SOUND), Probe(None, 0.1, skew))
    assert clock == Finding(Severity(severity), "clock", message)


def test_unusable_published_keys_are_warnings() -> None:
    """Each unusable key is a warning with its reason; only a set without usable keys fails."""
    key = NamedKey("a", hmac_key(b"a secret of more than thirty-two bytes", None))
    left_out = ("key 2: It is too short.",)
    warning = Finding(Severity.WARNING, "JWK set", left_out[0])
    usable = Finding(Severity.OK, "JWK set", "1 usable key(s)")
    none = Finding(Severity.FAILED, "JWK set", "it has no usable key")
    assert [*key_set_findings(KeySet((key,), left_out))] == [warning, usable]
    assert [*key_set_findings(KeySet((), left_out))] == [warning, none]


def test_plain_text_is_one_line_per_finding() -> None:
    """A line has the finding's severity, subject and message, and the audit's rule and advice."""
    found = list(lines(reported(WARNED | WRONG, Probe(None, 0.1, 0), GROUP)))
    assert [line.split()[0] for line in found] == ["ok", "ok", "ok", "warning", "error", "info"]
    assert found[3].split("  ")[1] == "GATEWAY_JWT_LEEWAY"
    assert "A08: expired tokens are accepted for 61 s more; synchronize the clocks" in found[3]
    assert "A10: 0.0.0.0/0: any client in it" in found[4]
    assert "A12: a group can read the secret; chmod 0400" in found[5]


def shown(judged: Report, width: int = 80) -> str:
    """Return the report as shown on a terminal."""
    screen = StringIO()
    show(judged, Console(file=screen, width=width, highlight=False))
    return screen.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_terminal_shows_the_whole_report(width: int) -> None:
    """A terminal shows every part of every finding, folded to its width and without markup."""
    broken = Probe("no reply: [bold]broken[/bold]", 0.1)
    judged = reported(WARNED | WRONG | {"GATEWAY_UPSTREAM_URL": "http://[::1]:9"}, broken, GROUP)
    text = shown(judged, width)
    assert max(map(len, text.splitlines())) <= width
    words = "".join(text.split())
    for each in judged.findings + judged.audit:
        for part in (each.severity, each.subject, each.message, each.rule, each.advice):
            assert "".join(part.split()) in words


@pytest.mark.parametrize(
    ("changes", "answer", "ending"),
    [
        ({}, None, "passed"),
        (WARNED, None, "passed: 1 warning"),
        (WARNED | WRONG, None, "passed: 1 error, 1 warning"),
        (WARNED | ALONE, Probe("no reply", 0.1), "failed: 1 failure, 2 warnings"),
    ],
)
def test_a_terminal_shows_the_verdict_last(
    changes: dict[str, str], answer: Probe | None, ending: str
) -> None:
    """The last line is the verdict and the number of findings, the worst first."""
    assert shown(reported(changes, answer)).splitlines()[-1] == ending


def test_problems_of_a_configuration_are_findings() -> None:
    """A configuration that is not valid is rendered like any other report."""
    judged = invalid([Problem("GATEWAY_HOST", "must be X"), Problem("GATEWAY_A", "must be Y")])
    assert list(lines(judged)) == [
        "failed   GATEWAY_HOST  must be X",
        "failed   GATEWAY_A     must be Y",
    ]
    assert shown(judged).splitlines()[-1] == "failed: 2 failures"


def test_ascii_is_enough_for_a_terminal() -> None:
    """A terminal without UTF-8 gets the whole report in ASCII."""
    screen = TextIOWrapper(BytesIO(), encoding="ascii")
    show(reported(WARNED), Console(file=screen, width=80))
    screen.seek(0)
    assert "> synchronize the clocks" in screen.read()
