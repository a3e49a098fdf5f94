"""The outgoing guard by its types: nothing that viewers are answered with can hold a `push_url`."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec.inspect
import pytest

from gateway.cache.local_room_cache import _Entry
from gateway.rooms import (
    AnchorRoom,
    Batch,
    CachedRoom,
    EncodedRoom,
    FreshRoom,
    Outcome,
    ViewerRoom,
)
from gateway.secret import Secret
from gateway.stores.local_idempotency_store import _Record
from tests.commands import ROOT

PROGRAM = """
from gateway.edge.answers import batch, encode_room, found
from gateway.rooms import (
    AnchorRoom, Batch, CachedRoom, Caller, Created, Creation, EncodedRoom, LookupResult,
    RoomService, ViewerRoom,
)

async def good(room: AnchorRoom, rooms: RoomService, alice: Caller) -> None:
    seen = CachedRoom(encode_room(room.for_viewers()), LookupResult.HIT, 1)
    found(seen, None)
    found(await rooms.get(alice, "1"), None)
    batch(Batch([seen], [], []))
    Created(room.for_viewers())
    Creation(room)
    room.push_url.reveal()

async def bad(room: AnchorRoom, viewer: ViewerRoom, seen: CachedRoom, rooms: RoomService) -> None:
    encode_room(room)                                       # arg-type
    CachedRoom(room, LookupResult.HIT, 1)                   # arg-type
    EncodedRoom("alice", room.push_url, b"")                # arg-type
    EncodedRoom("alice", b"", b"", push_url=room.push_url)  # call-arg
    Batch([room], [], [])                                   # list-item
    Batch([], [room.push_url], [])                          # list-item
    batch(Batch((await rooms.get_batch(["1"])).found + [room], [], []))  # operator
    Created(room)                                           # arg-type
    as_viewer: ViewerRoom = room                            # assignment
    viewer.push_url                                         # attr-defined
    seen.push_url                                           # attr-defined
    seen.room.push_url                                      # attr-defined
    (await rooms.get_batch(["1"])).found[0].room.push_url  # attr-defined
    ViewerRoom(push_url=room.push_url)                      # call-arg
    room.push_url + ""                                      # operator
    b"".join([room.push_url])                               # list-item
    "".join([room.push_url])                                # list-item
    room.push_url.encode()                                  # attr-defined
"""
"""What passes mypy, and what does not, for the reason behind it."""

VIEWERS = [CachedRoom, Batch, EncodedRoom, ViewerRoom, Outcome, _Entry, _Record]
"""What viewers are answered with, and what is kept."""

PLAIN = (str, bytes, int, float, bool, type(None))


def test_the_types_keep_it_out(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """No way to put the anchor's shape where a viewer's belongs passes mypy; the right way does."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    cache = pytestconfig.cache.mkdir("mypy")
    run = [sys.executable, "-m", "mypy", "--cache-dir", str(cache), str(program)]
    done = subprocess.run(  # noqa: S603  # our own
        run, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    told = re.findall(r"program.py:(\d+): error: .*\[([a-z-]+)\]$", done.stdout, re.MULTILINE)
    expected = {
        str(number): line.rpartition("# ")[2]
        for number, line in enumerate(PROGRAM.splitlines(), start=1)
        if "  # " in line
    }
    assert dict(told) == expected, done.stdout + done.stderr


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
    """Whether an `AnchorRoom`, a Secret, or what may be anything can be reached from a type."""
    found = list(reachable(kind))
    return any(
        isinstance(each, msgspec.inspect.AnyType | msgspec.inspect.RawType)
        or getattr(each, "cls", None) in {AnchorRoom, Secret, object}
        for each in found
    )


@pytest.mark.parametrize("kind", VIEWERS, ids=str)
def test_no_type_for_viewers_could_hold_it(kind: Any) -> None:
    """By every field of every Struct inside, nor is any of them called so."""
    assert not could_hold_it(kind)
    structs = [each for each in reachable(kind) if isinstance(each, msgspec.inspect.StructType)]
    assert structs
    assert not [each for each in structs for field in each.fields if "push" in field.name]


@pytest.mark.parametrize("kind", [AnchorRoom, FreshRoom, list[Any], dict[str, Secret]])
def test_others_could(kind: Any) -> None:
    """The walk finds it where it is."""
    assert could_hold_it(kind)
