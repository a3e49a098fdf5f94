"""How many findings there are of each kind, in words."""

from collections import Counter
from collections.abc import Iterable
from types import MappingProxyType

_NOUNS = MappingProxyType(
    {"failed": "failed check", "error": "error", "warning": "warning", "info": "remark"}
)
"""The gravest first."""


def counted(graves: Iterable[str]) -> str:
    """Return such as `1 error, 2 warnings`; nothing where all is well."""
    counts = Counter(graves)
    return ", ".join(
        f"{counts[grave]} {noun}{'' if counts[grave] == 1 else 's'}"
        for grave, noun in _NOUNS.items()
        if counts[grave]
    )
