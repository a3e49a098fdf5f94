"""The last keys in use, in memory that all workers of a gateway share.

A key that was withdrawn must not come back with a new worker, though its file is missing by then
or the issuer is down. So each worker writes here the keys that it has adopted and the JWK set that
it has fetched. A new worker, or one that cannot read them itself, takes the latest of all.

- A worker is the only writer of its part. A part has two halves, written in turn, so a worker that
  is killed while it writes leaves the other half whole. A digest tells.
- The latest text is the one that its worker began to read last: an answer that comes late does not
  count as newer than what another worker has read meanwhile. The time is the system's monotonic
  clock, the same for all processes.
"""

import hashlib
import struct
from collections.abc import Sequence
from mmap import mmap

from msgspec import Struct

from gateway.secret import NeverPickled

_HEAD = struct.Struct("<dI16s")  # time, length, digest
_DIGEST = 16

KEYS_SIZE = 786_432
"""Bytes for the keys: five of at most 128 KiB each, the longest variable that Linux allows."""

JWK_SET_SIZE = 262_144
"""Bytes for a JWK set."""


class LastText(NeverPickled):
    """The last text of one kind: written by one worker, and read from the memory of all."""

    def __init__(self, mine: Sequence[mmap], all_halves: Sequence[mmap]) -> None:
        self._mine = mine
        self._all = all_halves

    def put(self, text: bytes, read_at: float) -> None:
        """Write a text over this worker's older one; one that is too long is left out.

        `read_at` is the monotonic time at which reading it began.
        """
        half = min(self._mine, key=_read_at)
        if _HEAD.size + len(text) <= len(half):
            half[: _HEAD.size] = bytes(_HEAD.size)  # not whole until the end
            half[_HEAD.size : _HEAD.size + len(text)] = text
            half[: _HEAD.size] = _HEAD.pack(read_at, len(text), _digest(read_at, text))

    def get(self) -> bytes | None:
        """Return the latest text of any worker, None without one."""
        whole = [each for each in map(_read, self._all) if each is not None]
        return max(whole)[1] if whole else None

    def stamp(self) -> bytes:
        """Return bytes that are others after each `put`. Take them before a `get`."""
        return b"".join(half[: _HEAD.size] for half in self._all)


class Handover(Struct, frozen=True):
    """One worker's access to the last `keys`, as msgpack, and to the last `jwk_sets`, as published.

    There is one set for each issuer.
    """

    keys: LastText
    jwk_sets: tuple[LastText, ...]


def handovers(slots: int, issuers: int = 1) -> list[Handover]:
    """Return an access for each slot of a worker. Make them before the first worker."""
    keys = _texts(slots, KEYS_SIZE)
    sets = [_texts(slots, JWK_SET_SIZE) for _ in range(issuers)]
    return [Handover(keys[slot], tuple(each[slot] for each in sets)) for slot in range(slots)]


def shared_text(size: int) -> LastText:
    """Return a text of one writer, with at most `size` bytes. Make it before the first worker."""
    [text] = _texts(1, size)
    return text


def _texts(slots: int, size: int) -> list[LastText]:
    parts = [(_memory(size), _memory(size)) for _ in range(slots)]
    return [LastText(part, [half for each in parts for half in each]) for part in parts]


def _memory(size: int) -> mmap:
    return mmap(-1, _HEAD.size + size)  # shared with the processes forked later


def _read_at(half: mmap) -> float:
    found = _read(half)
    return -1.0 if found is None else found[0]


def _read(half: mmap) -> tuple[float, bytes] | None:
    read_at, length, digest = _HEAD.unpack(half[: _HEAD.size])
    text = half[_HEAD.size : _HEAD.size + length]
    return (read_at, text) if digest == _digest(read_at, text) else None


def _digest(read_at: float, text: bytes) -> bytes:
    return hashlib.blake2b(struct.pack("<d", read_at) + text, digest_size=_DIGEST).digest()
