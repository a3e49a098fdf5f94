"""JSON merge patches (RFC 7396). Pure."""

from collections.abc import Mapping
from typing import Any


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patch that turns `before` into `after`, empty if they are equal.

    In a patch null removes a member. So a member that became null is absent once it is applied.
    """
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            if changed := merge_patch(old, value):
                patch[name] = changed
        elif value != old or name not in before:
            patch[name] = value
    return patch
