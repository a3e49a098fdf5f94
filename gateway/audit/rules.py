"""Every rule, by number."""

from collections.abc import Iterator, Sequence

from gateway.settings import Settings

from . import file_rules as of_files
from . import settings_rules as of_settings
from .files import KeyFile
from .finding import Finding, Rule, Severity

_INFO, _WARNING, _ERROR = Severity

RULES = (
    Rule("A01", _WARNING, "tokens of any issuer are accepted", of_settings.no_issuer),
    Rule("A02", _WARNING, "tokens for any audience are accepted", of_settings.no_audience),
    Rule("A03", _WARNING, "what verifies tokens can also make them", of_settings.shared_secret),
    Rule("A04", _WARNING, "CORS for any origin", of_settings.any_origin),
    Rule("A05", _ERROR, "http to an upstream that is elsewhere", of_settings.upstream_in_clear),
    Rule("A06", _WARNING, "metrics on a public address", of_settings.public_metrics),
    Rule("A07", _WARNING, "rooms remembered over an hour", of_settings.long_windows),
    Rule("A08", _WARNING, "over 60 s of leeway", of_settings.much_leeway),
    Rule("A09", _WARNING, "a rate limit is off", of_settings.no_limit),
    Rule("A10", _ERROR, "anyone counts as a trusted proxy", of_settings.everyone_a_proxy),
    Rule("A11", _ERROR, "a secret's file that others can read", of_files.others_read),
    Rule("A12", _INFO, "a secret's file that a group can read", of_files.group_reads),
    Rule("A13", _ERROR, "a key's file that others can change", of_files.others_change),
    Rule("A14", _WARNING, "several processes and no shared store", of_settings.several_memories),
)


def findings(settings: Settings, files: Sequence[KeyFile]) -> Iterator[Finding]:
    """Apply every rule; one may have several things to say."""
    for rule in RULES:
        for found in rule.find(settings, files):
            yield Finding(rule.number, rule.severity, found.variable, found.message, found.advice)
