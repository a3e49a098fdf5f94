"""The start-up summary of `gateway serve` for people: one aligned line per fact."""

from collections.abc import Iterator
from types import MappingProxyType

from gateway.checks import RULES, counted

from .facts import Facts

_EVERYWHERE = ("http://0.0.0.0:", "http://[::]:")
_SEVERITIES = MappingProxyType({rule.number: rule.severity for rule in RULES})
_URLS = frozenset({"public", "metrics", "upstream", "shared"})
_WARNINGS = frozenset({"audit"})


def rows(facts: Facts) -> Iterator[tuple[str, str]]:
    """Return the lines, each a name and a fact."""
    yield "public", _listener(facts.listening)
    yield "metrics", _listener(facts.metrics) if facts.metrics else "none"
    yield "upstream", facts.upstream
    yield "keys", _keys(facts)
    yield "cache", _cache(facts)
    yield "shared", facts.store or _alone(facts)
    yield "workers", f"{facts.workers}"
    yield "traces", facts.traces
    yield "logs", f"{facts.log_format}, level {facts.log_level}, {_access(facts)}"
    if facts.audit:
        found = counted(_SEVERITIES[rule] for rule in facts.audit)
        yield "audit", f"{found}: run `gateway check`"


def plain(facts: Facts) -> str:
    """Return the banner as plain text."""
    lines = "\n".join(f"  {name:<9}  {text}" for name, text in rows(facts))
    return f"Live room gateway {facts.version}\n\n{lines}\n\n"


def coloured(facts: Facts) -> str:
    """Return the banner for the terminal of standard output, folded to its width."""
    from rich.console import Console  # noqa: PLC0415  # only for a terminal
    from rich.table import Table  # noqa: PLC0415  # same
    from rich.text import Text  # noqa: PLC0415  # same

    table = Table.grid(padding=(0, 2, 0, 0))
    for name, text in rows(facts):
        style = "cyan" if name in _URLS else "yellow" if name in _WARNINGS else ""
        table.add_row(Text(f"  {name}", "dim", no_wrap=True), Text(text, style, overflow="fold"))
    title = Text.assemble("\n", ("Live room gateway", "bold"), f" {facts.version}\n")
    ending = Text("\n  Ctrl-C finishes the requests in flight and stops.\n", "dim")
    console = Console(highlight=False)
    with console.capture() as capture:
        for part in (title, table, ending):
            console.print(part)
    return capture.get()


def _listener(url: str) -> str:
    return f"{url}  on every address of this machine" if url.startswith(_EVERYWHERE) else url


def _alone(facts: Facts) -> str:
    each = "this process" if facts.workers == 1 else "each worker"
    return f"none: {each} has rooms, limits and idempotency keys of its own"


def _access(facts: Facts) -> str:
    if not facts.access_log:
        return "no access log"
    return f"access log with {'hashed' if facts.log_caller == 'hash' else 'no'} user ids"


def _keys(facts: Facts) -> str:
    algorithms = ", ".join(facts.algorithms)
    if facts.issuer is not None:
        return f"JWK set at {facts.issuer}, {algorithms or 'algorithms as published'}"
    if facts.keys == "public_key":
        return f"public key, {algorithms}"
    previous = "; the previous secret too" if facts.previous_secret else ""
    return f"shared secret, {algorithms}{previous}"


def _cache(facts: Facts) -> str:
    fresh, stale = facts.cache_ttl, facts.cache_stale_while_revalidate
    return (
        f"{facts.cache_size} rooms, fresh for {fresh:g} s, then stale for {stale:g} s while "
        f"revalidating, for {facts.cache_stale_if_error:g} s if the upstream fails"
    )
