"""What fails a check, and how it is told."""

from collections.abc import Sequence
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from rich.console import Console

from gateway.audit import KeyFile, Severity
from gateway.check import lines, report, rows
from gateway.commands.findings import show
from gateway.keyring import IssuerCheck
from gateway.settings import load
from gateway.upstream import Probe

SOUND = {
    "GATEWAY_ACCESS_KEY": "ak",
    "GATEWAY_SECRET_KEY": "sk",
    "GATEWAY_JWT_PUBLIC_KEY": "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----",
    "GATEWAY_JWT_ISSUER": "https://accounts.example",
    "GATEWAY_JWT_AUDIENCE": "live",
}
WARNED = {"GATEWAY_JWT_LEEWAY": "61"}
WRONG = {"GATEWAY_TRUSTED_PROXIES": "0.0.0.0/0"}
PENDING = {"GATEWAY_REDIS_URL": "redis://127.0.0.1"}

GROUP = [KeyFile("GATEWAY_SECRET_KEY_FILE", True, 0o440, True, (0o755,), (0o755,))]  # noqa: FBT003  # a table's row


@pytest.mark.parametrize(
    ("changes", "files", "failing"),
    [
        ({}, [], []),
        ({}, GROUP, ["info"]),
        (WARNED, [], ["info", "warning"]),
        (PENDING, [], ["info", "warning"]),
        (WRONG, [], ["info", "warning", "error"]),
        (WARNED | WRONG, GROUP, ["info", "warning", "error"]),
    ],
)
def test_findings_fail_it_from_a_severity_on(
    changes: dict[str, str], files: Sequence[KeyFile], failing: list[str]
) -> None:
    """Findings fail it only from the chosen severity on, and never when none is chosen."""
    environ = SOUND | changes
    assert report(load(environ), environ, None, files).ok
    for severity in Severity:
        told = report(load(environ), environ, None, files, severity)
        assert told.ok is (severity not in failing)


@pytest.mark.parametrize("fail_on", [None, *Severity])
def test_a_failed_check_fails_it_always(fail_on: Severity | None) -> None:
    """An upstream that does not accept us fails it, whatever is chosen."""
    probe = Probe("no reply", 0.1)
    assert not report(load(SOUND), SOUND, probe, (), fail_on).ok
    assert report(load(SOUND), SOUND, Probe(None, 0.1, 0), (), fail_on).ok


def test_a_wrong_clock_is_a_warning() -> None:
    """A clock that differs fails it from warnings on."""
    probe = Probe(None, 0.1, clock_skew=3600)
    assert report(load(SOUND), SOUND, probe, (), Severity.ERROR).ok
    assert not report(load(SOUND), SOUND, probe, (), Severity.WARNING).ok


def test_published_keys_that_cannot_be_used_are_a_warning() -> None:
    """Each is told with its reason; one that can be used is enough."""
    issuer = IssuerCheck(1, ("key 2: It is too short.",), None)
    told = report(load(SOUND), SOUND, None, issuer=issuer)
    assert told.ok
    assert [each.message for each in told.findings if each.subject == "JWK set"] == [
        "key 2: It is too short.",
        "1 usable key(s)",
    ]
    assert not report(load(SOUND), SOUND, None, (), Severity.WARNING, issuer=issuer).ok


def test_a_line_tells_all_of_a_finding() -> None:
    """A finding is a line of its severity, its variable, its number, and what to do."""
    environ = SOUND | WARNED | WRONG
    told = list(lines(report(load(environ), environ, Probe(None, 0.1, 0), GROUP)))
    assert [line.split()[0] for line in told] == ["ok", "ok", "ok", "warning", "error", "info"]
    assert told[3].split("  ")[1] == "GATEWAY_JWT_LEEWAY"
    assert "A08: expired tokens are accepted for 61 s more; set the clocks" in told[3]
    assert "A10: 0.0.0.0/0: anyone there" in told[4]
    assert "A12: a group can read the secret; chmod 0400" in told[5]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_terminal_shows_all_of_the_report(width: int) -> None:
    """Everything that the lines tell, wrapped: nothing is cut, nor taken for markup."""
    environ = SOUND | WARNED | WRONG | {"GATEWAY_UPSTREAM_URL": "http://[::1]:9"}
    told = report(load(environ), environ, Probe("no reply: [bold]broken[/bold]", 0.1), GROUP)
    screen = StringIO()
    show(told, Console(file=screen, width=width, highlight=False))
    text = screen.getvalue()
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for row in rows(told):
        assert row.severity in words
        for part in (row.subject, row.message, row.rule, row.advice):
            assert "".join(part.split()) in "".join(words.split())


@pytest.mark.parametrize(
    ("changes", "probe", "ending"),
    [
        ({}, None, "passed"),
        (WARNED, None, "passed: 1 warning"),
        (WARNED | WRONG, None, "passed: 1 error, 1 warning"),
        (WARNED | PENDING, Probe("no reply", 0.1), "failed: 1 failed check, 2 warnings"),
    ],
)
def test_a_terminal_shows_the_outcome_last(
    changes: dict[str, str], probe: Probe | None, ending: str
) -> None:
    """Whether it is fine, and how much there is to see to, the severitiest first."""
    environ = SOUND | changes
    screen = StringIO()
    show(report(load(environ), environ, probe), Console(file=screen, width=80))
    assert screen.getvalue().splitlines()[-1] == ending


def test_a_terminal_of_few_characters_is_enough() -> None:
    """Where there is no UTF-8, all is shown in what there is."""
    environ = SOUND | WARNED
    screen = TextIOWrapper(BytesIO(), encoding="ascii")
    show(report(load(environ), environ, None), Console(file=screen, width=80))
    screen.seek(0)
    assert "> set the clocks" in screen.read()
