"""Merge patches as a client applies them."""

from typing import Any


def applied(target: Any, patch: Any) -> Any:
    """Return `target` with a patch, as RFC 7396 §2 has it."""
    if not isinstance(patch, dict):
        return patch
    made = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = applied(made.get(name), value)
    return made


def without_nulls(value: Any) -> Any:
    """Return an object without members that are null; a patch cannot tell these."""
    if not isinstance(value, dict):
        return value
    return {name: without_nulls(each) for name, each in value.items() if each is not None}
