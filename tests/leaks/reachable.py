"""What a cache holds, found by walking every object that it refers to."""

import gc
from types import ModuleType
from typing import Any

from msgspec import Struct


def texts_in(root: object, *leave_out: type) -> list[str]:
    """Return every text reachable from `root`, but for code and objects of these types."""
    found: list[str] = []
    seen: set[int] = set()
    waiting: list[Any] = [root]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, (type, ModuleType, *leave_out)):
            continue
        seen.add(id(each))
        if isinstance(each, Struct):
            waiting += [getattr(each, field) for field in each.__struct_fields__]
        elif isinstance(each, str | bytes):
            found.append(each if isinstance(each, str) else each.decode("latin-1"))
        elif not callable(each):
            waiting += gc.get_referents(each)
    return found
