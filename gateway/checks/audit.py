"""The audit: numbered rules about valid but unwise settings, each with advice.

A rule is a pure function of the settings, of the facts about key files, of the environment and of
the lifetime of a vendor token. Its number is permanent: a deleted rule leaves a gap.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from gateway.settings import Settings

from . import file_rules, settings_rules, spelling_rules, token_rules
from .finding import Finding, Note, Severity
from .key_files import KeyFile

_INFO, _WARNING, _ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR


class Rule(Struct, frozen=True):
    """One rule; `about` is its line in the documentation."""

    number: str
    severity: Severity
    about: str
    notes: Callable[[Settings, Sequence[KeyFile], Mapping[str, str], float | None], Iterator[Note]]


RULES = (
    Rule("A01", _WARNING, "tokens of any issuer are accepted", settings_rules.no_issuer),
    Rule("A02", _WARNING, "tokens for any audience are accepted", settings_rules.no_audience),
    Rule("A03", _WARNING, "verifiers of tokens can also sign them", settings_rules.shared_secret),
    Rule("A04", _WARNING, "CORS for any origin", settings_rules.any_origin),
    Rule("A05", _ERROR, "plain http to a remote upstream", settings_rules.upstream_in_clear),
    Rule("A06", _WARNING, "metrics on a public address", settings_rules.public_metrics),
    Rule("A07", _WARNING, "rooms served stale for over an hour", settings_rules.long_windows),
    Rule("A08", _WARNING, "over 60 s of leeway", settings_rules.much_leeway),
    Rule("A09", _WARNING, "a rate limit is off", settings_rules.no_limit),
    Rule("A10", _ERROR, "anyone counts as a trusted proxy", settings_rules.everyone_a_proxy),
    Rule("A11", _ERROR, "a secret file that others can read", file_rules.others_read),
    Rule("A12", _INFO, "a secret file that a group can read", file_rules.group_reads),
    Rule("A13", _ERROR, "a key file that others can change", file_rules.others_change),
    Rule("A14", _WARNING, "processes that share nothing", settings_rules.no_shared_store),
    Rule("A15", _WARNING, "a secret in quotes", spelling_rules.quoted_secret),
    Rule("A16", _WARNING, "white space or `Bearer` in a secret", spelling_rules.padded_secret),
    Rule("A17", _WARNING, "a secret encoded twice", spelling_rules.twice_encoded_secret),
    Rule("A18", _INFO, "a proxy variable, which is not read", spelling_rules.unused_proxy),
    Rule("A19", _INFO, "an issuer with a slash at its end", spelling_rules.issuer_with_slash),
    Rule("A20", _ERROR, "an operator's routes on a public address", settings_rules.public_admin),
    Rule("A21", _WARNING, "cookies for all subdomains", settings_rules.cookies_of_subdomains),
    Rule("A22", _WARNING, "vendor tokens that live for over a day", token_rules.long_lived_token),
)


def audit(
    settings: Settings,
    files: Sequence[KeyFile],
    environ: Mapping[str, str],
    token_seconds: float | None = None,
) -> Iterator[Finding]:
    """Apply every rule, in order; one rule may yield several findings.

    `token_seconds` is the lifetime of a vendor token, None if none was asked for.
    """
    for rule in RULES:
        for note in rule.notes(settings, files, environ, token_seconds):
            yield Finding(rule.severity, *note, rule=rule.number)
