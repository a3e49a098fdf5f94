"""How many findings there are of each kind, in words."""

from collections import Counter
from collections.abc import Iterable
from types import MappingProxyType

_NOUNS = MappingProxyType(
    {"failed": "failed check", "error": "error", "warning": "warning", "info": "remark"}
)
"""The gravest first."""


def counted(severities: Iterable[str]) -> str:
    """Return such as `1 error, 2 warnings`; nothing where all is well."""
    counts = Counter(severities)
    return ", ".join(
        f"{counts[severity]} {noun}{'' if counts[severity] == 1 else 's'}"
        for severity, noun in _NOUNS.items()
        if counts[severity]
    )
