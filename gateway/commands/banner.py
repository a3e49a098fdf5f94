"""The start of `gateway serve` for people: the facts, a line each, aligned."""

from collections.abc import Iterator
from types import MappingProxyType

from gateway.audit import RULES

from .counts import counted
from .facts import Facts

_EVERYWHERE = ("http://0.0.0.0:", "http://[::]:")
_SEVERITIES = MappingProxyType({rule.number: rule.severity for rule in RULES})
_URLS = frozenset({"public", "metrics", "upstream"})
_WARNINGS = frozenset({"no effect", "audit"})


def rows(facts: Facts) -> Iterator[tuple[str, str]]:
    """Return what stands in each line: a name, and the fact."""
    yield "public", _listener(facts.listening)
    yield "metrics", _listener(facts.metrics) if facts.metrics else "none"
    yield "upstream", facts.upstream
    yield "keys", _keys(facts)
    yield "cache", _cache(facts)
    yield "shared", f"none: {'the' if facts.workers == 1 else 'each'} worker remembers for itself"
    yield "workers", f"{facts.workers}"
    yield "traces", facts.traces
    yield "logs", f"{facts.log_format}, from {facts.log_level} on, {_access(facts)}"
    if facts.not_in_effect:
        yield "no effect", f"{', '.join(facts.not_in_effect)}: read and checked, but not used yet"
    if facts.audit:
        found = counted(_SEVERITIES[rule] for rule in facts.audit)
        yield "audit", f"{found}: run `gateway check`"


def plain(facts: Facts) -> str:
    """Return the banner for a log."""
    lines = "\n".join(f"  {name:<9}  {text}" for name, text in rows(facts))
    return f"Live room gateway {facts.version}\n\n{lines}\n\n"


def show(facts: Facts) -> None:
    """Print the banner on a terminal, as wide as that is."""
    from rich.console import Console  # noqa: PLC0415  # servers have no terminal, nor need for it
    from rich.table import Table  # noqa: PLC0415  # same
    from rich.text import Text  # noqa: PLC0415  # same

    table = Table.grid(padding=(0, 2, 0, 0))
    for name, text in rows(facts):
        style = "cyan" if name in _URLS else "yellow" if name in _WARNINGS else ""
        table.add_row(Text(f"  {name}", "dim", no_wrap=True), Text(text, style, overflow="fold"))
    title = Text.assemble("\n", ("Live room gateway", "bold"), f" {facts.version}\n")
    ending = Text("\n  Ctrl-C lets requests finish and stops it.\n", "dim")
    console = Console(highlight=False)
    for part in (title, table, ending):
        console.print(part)


def _listener(url: str) -> str:
    return f"{url}  on every address of this machine" if url.startswith(_EVERYWHERE) else url


def _access(facts: Facts) -> str:
    if not facts.access_log:
        return "no line a request"
    return (
        f"a line a request {'with a hash of' if facts.log_caller == 'hash' else 'without'} the user"
    )


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
        f"{facts.cache_size} rooms, fresh for {fresh:g} s, shown for {stale:g} s more while "
        f"refreshed, for {facts.cache_stale_if_error:g} s if the upstream fails"
    )
