"""The types of answers to viewers cannot hold a `push_url`."""

import ast
import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import msgspec.inspect
import pytest

from gateway.cache.entries import Entry
from gateway.rooms import (
    AnchorRoom,
    Batch,
    CachedRoom,
    EncodedRoom,
    FreshRoom,
    LivePage,
    Outcome,
    ViewerRoom,
)
from gateway.secret import Secret
from gateway.stores.local_idempotency_store import _Settled
from gateway.upstream.live_list import Listing
from tests.commands import ROOT
from tests.leaks import outgoing_types

VIEWERS = [
    *(CachedRoom, Batch, EncodedRoom, ViewerRoom, LivePage, Listing, Outcome, Entry, _Settled),
]
"""The types of answers to viewers, and of everything that is kept."""

PLAIN = (str, bytes, int, float, bool, type(None))


def lines_of(function: object) -> list[str]:
    """Return the lines of a function in the file of mypy's errors, below its docstring."""
    lines, _ = inspect.getsourcelines(function)  # type: ignore[arg-type]  # a function
    [body] = [
        each.body
        for each in ast.parse(dedent("".join(lines))).body
        if isinstance(each, ast.AsyncFunctionDef)
    ]
    return [lines[each.lineno - 1] for each in body[1:]]


def test_mypy_tells_right_from_wrong() -> None:
    """The run of mypy sees the file, which with one suppressed error in each wrong line alone."""
    settings = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text())["tool"]["mypy"]
    name = Path(outgoing_types.__file__).relative_to(ROOT).as_posix()
    assert settings["strict"]  # unused suppressions are errors
    assert name.split("/")[0] in settings["files"]
    assert not [each for each in settings["exclude"] if re.search(each, name)]
    assert all(line.count("# type: ignore[") == 1 for line in lines_of(outgoing_types.wrong))
    assert not [line for line in lines_of(outgoing_types.right) if "ignore" in line]
    assert inspect.getsource(outgoing_types).count("ignore[") == len(lines_of(outgoing_types.wrong))


def reachable(kind: Any) -> Iterator[Any]:
    """Return every class that a value of this type can hold, through the fields of Structs."""
    seen: list[Any] = []
    waiting = [msgspec.inspect.type_info(kind)]
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.append(each)
        yield each
        if isinstance(each, msgspec.inspect.StructType):
            waiting += [field.type for field in each.fields]
        for name in ("item_type", "key_type", "value_type", "type"):
            if isinstance(inner := getattr(each, name, None), msgspec.inspect.Type):
                waiting.append(inner)
        waiting += [*getattr(each, "types", ()), *getattr(each, "item_types", ())]


def could_hold_it(kind: Any) -> bool:
    """Return True if an `AnchorRoom`, a Secret or an untyped value can be reached from a type."""
    found = list(reachable(kind))
    return any(
        isinstance(each, msgspec.inspect.AnyType | msgspec.inspect.RawType)
        or getattr(each, "cls", None) in {AnchorRoom, Secret, object}
        for each in found
    )


@pytest.mark.parametrize("kind", VIEWERS, ids=str)
def test_no_type_for_viewers_could_hold_it(kind: Any) -> None:
    """No field of any Struct inside a viewer's type can hold or is named after a push URL."""
    assert not could_hold_it(kind)
    structs = [each for each in reachable(kind) if isinstance(each, msgspec.inspect.StructType)]
    assert structs
    assert not [each for each in structs for field in each.fields if "push" in field.name]


@pytest.mark.parametrize("kind", [AnchorRoom, FreshRoom, list[Any], dict[str, Secret]])
def test_others_could(kind: Any) -> None:
    """The walk finds a type that can hold it, as a positive control."""
    assert could_hold_it(kind)
