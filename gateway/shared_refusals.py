"""An operator's refusals in the shared store: one hash, with a field for each user and token.

Of two words on one name the later one holds, in the store and in every gateway. So a gateway that
has a later one than the store may write it there at any time, and twice. Times of words are by the
store's clock alone.

A lifted refusal stays as a word of its own, and a shortened one until its longer time: a gateway
that was away meanwhile would bring the old one back.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from gateway.rooms import RefusalKind, is_token_id, is_user_id
from gateway.shared_store import NOW, Script, SharedStore

Name = tuple[RefusalKind, str]
"""A user, or the `jti` of a token."""

KINDS: tuple[RefusalKind, ...] = ("users", "tokens")

_KEY = "refusals"
_AT_ONCE = 500
"""Words in one call."""

_LAST = 253_402_300_799.0
"""The end of the year 9999 in epoch seconds: no refusal is longer."""

_WORD = re.compile(rb"(\d{1,15}) (\d{1,12}\.\d{6}) (\d{1,12}\.\d{6})")


class Word(Struct, frozen=True):
    """The last word on a name: refused until `until`, 0.0 for lifted; needed until `kept`.

    Both are in epoch seconds. `stamp` is the time of the word in milliseconds.
    """

    until: float
    kept: float
    stamp: int


Words = Mapping[Name, Word]

_VERSION = Script(
    NOW
    + """
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', KEYS[1]) end
return {now, redis.call('HGET', KEYS[1], 'version') or ''}
"""
)
"""Also makes room for the hash: nothing else has this key."""

_READ = Script("return redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', 500)")

_WRITE = Script(
    NOW
    + """
local latest = 0
for i = 1, #ARGV, 4 do
    local field, stamp, until_, kept = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
    local theirs = redis.call('HGET', KEYS[1], field) or ''
    local their_stamp, their_kept = string.match(theirs, '^(%d+) %d+%.%d+ (%d+%.%d+)$')
    if not their_stamp or #their_stamp > 15 or tonumber(their_stamp) < tonumber(stamp) then
        local longer = tonumber(their_kept or '') or 0
        if tonumber(kept) < longer and longer < 253402300800 then
            kept = string.format('%.6f', longer)
        end
        redis.call('HSET', KEYS[1], field, stamp .. ' ' .. until_ .. ' ' .. kept)
        latest = math.max(latest, tonumber(kept))
    end
end
if latest > 0 then
    local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '') or 0
    if not (version < 1e15) then version = 0 end
    version = string.format('%.0f', math.max(now, version + 1))
    redis.call('HSET', KEYS[1], 'version', version)
    local left = math.max(1, math.ceil(latest * 1000 - now))
    if redis.call('PTTL', KEYS[1]) < left then
        redis.call('PEXPIRE', KEYS[1], string.format('%.0f', left))
    end
end
"""
)
"""Writes the words that are later than those there; the hash lives as long as the longest."""

_REMOVE = Script("""
for i = 1, #ARGV, 2 do
    if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
        redis.call('HDEL', KEYS[1], ARGV[i])
    end
end
""")


class SharedRefusals:
    """The words in `store`. Every method raises StoreUnavailable."""

    def __init__(self, store: SharedStore) -> None:
        self._store = store

    async def version(self) -> tuple[int, bytes]:
        """Return the store's time in milliseconds, and a text that is another after each change."""
        now, version = await self._store.run(_VERSION, [_KEY])
        return now, version

    async def read(self) -> dict[Name, Word]:
        """Return all words; a field or value of another make is left out."""
        words: dict[Name, Word] = {}
        cursor = b"0"
        while True:
            cursor, found = await self._store.run(_READ, [_KEY], cursor)
            for field, value in zip(found[::2], found[1::2], strict=True):
                name, word = _name(field), _word(value)
                if name is not None and word is not None:
                    words[name] = word
            if cursor == b"0":
                return words

    async def write(self, words: Words) -> None:
        """Write the words that are later than those in the store."""
        await self._in_parts(
            _WRITE, [(_field(name), *_value(word).split()) for name, word in words.items()]
        )

    async def remove(self, words: Words) -> None:
        """Remove words, unless there are others on these names meanwhile."""
        await self._in_parts(
            _REMOVE, [(_field(name), _value(word)) for name, word in words.items()]
        )

    async def _in_parts(self, script: Script, rows: list[tuple[bytes, ...]]) -> None:
        for begin in range(0, len(rows), _AT_ONCE):
            part = rows[begin : begin + _AT_ONCE]
            await self._store.run(script, [_KEY], *(each for row in part for each in row))


def _field(name: Name) -> bytes:
    return ":".join(name).encode()


def _name(field: bytes) -> Name | None:
    try:
        kind, _, name = field.decode().partition(":")
    except UnicodeDecodeError:
        return None
    if kind == "users" and is_user_id(name):
        return "users", name
    if kind == "tokens" and is_token_id(name):
        return "tokens", name
    return None


def _value(word: Word) -> bytes:
    return b"%d %.6f %.6f" % (word.stamp, word.until, word.kept)


def _word(value: bytes) -> Word | None:
    found = _WORD.fullmatch(value)
    if found is None:
        return None
    stamp, until, kept = found.groups()
    word = Word(float(until), float(kept), int(stamp))
    return word if max(word.until, word.kept) <= _LAST else None
