"""An `IdempotencyStore` that all processes share.

A record is one hash in the store, with the fingerprint of the create and either the end of its
claim or its outcome. A claim has the token of the use that made it. If its process dies, the claim
ends by time, and the first use after that settles it as `outcome_unknown`.

- Each user has an index of their own records. Beyond `RECORDS_PER_USER` they lose their own
  oldest outcomes, so that nobody can fill the store alone.
- Users and keys are in it as hashes, and of a room only the id.
- This process's own claims are kept in memory as well. While the store does not answer, that memory
  decides alone, and what it has learnt is sent when the store is back.
"""

import hashlib
import secrets
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.rooms import (
    UNKNOWN,
    Created,
    IdempotencyClaim,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    Outcome,
)
from gateway.shared_store import NOW, Script, SharedStore, StoreUnavailable

from .local_idempotency_store import LocalIdempotencyStore

RECORDS_PER_USER: Final = 10_000

_DAY: Final = 86_400_000
"""Milliseconds."""

_FIRST, _RUNNING, _REUSED = 1, 3, 4
_DECODER: msgspec.json.Decoder[Outcome] = msgspec.json.Decoder(Outcome)
_UNKNOWN = msgspec.json.encode(UNKNOWN)

# KEYS: record, index of the user. ARGV: fingerprint, token, ms of the claim, ms of a day, record's
# name in the index, most records, outcome of a lost claim.
_CLAIM = Script(
    NOW
    + """
local held = redis.call('HMGET', KEYS[1], 'print', 'outcome', 'until', 'token')
if held[1] and now < tonumber(held[3]) then
  if held[1] ~= ARGV[1] then return {4} end
  if held[2] then return {2, held[2]} end
  if held[4] == ARGV[2] then return {1} end
  return {3}
elseif held[1] and not held[2] and now < tonumber(held[3]) + ARGV[4] then
  if held[1] ~= ARGV[1] then return {4} end
  redis.call('HSET', KEYS[1], 'outcome', ARGV[7], 'until', now + ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return {2, ARGV[7]}
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'print', ARGV[1], 'token', ARGV[2], 'until', now + ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[3] + ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[4])
redis.call('ZADD', KEYS[2], now, ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
local over = redis.call('ZCARD', KEYS[2]) - ARGV[6]
if over > 0 then
  local oldest = redis.call('ZPOPMIN', KEYS[2], over)
  for each = 1, #oldest, 2 do redis.call('DEL', KEYS[2] .. ':' .. oldest[each]) end
end
return {1}
"""
)

# KEYS: record. ARGV: fingerprint, outcome, ms of a day, outcome of a lost claim. Returns the
# outcome that holds: an unknown one replaces none.
_SETTLE = Script(
    NOW
    + """
local held = redis.call('HMGET', KEYS[1], 'outcome', 'until')
local settled = held[1] and now < tonumber(held[2])
if settled and ARGV[2] == ARGV[4] then return held[1] end
redis.call('HSET', KEYS[1], 'print', ARGV[1], 'outcome', ARGV[2])
if settled then return ARGV[2] end
redis.call('HSET', KEYS[1], 'until', now + ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return ARGV[2]
"""
)

# KEYS: record. ARGV: token.
_RELEASE = Script(
    """
local held = redis.call('HMGET', KEYS[1], 'outcome', 'token')
if not held[1] and held[2] == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""
)


class SharedIdempotencyStore:
    """Claims and outcomes in `store`, and in `local` what this process has claimed.

    A claim ends after `seconds`, which is longer than any create takes.
    """

    def __init__(self, store: SharedStore, local: LocalIdempotencyStore, *, seconds: float) -> None:
        self._store = store
        self._local = local
        self._claim = round(seconds * 1000)
        self._tokens: dict[IdempotencyClaim, bytes] = {}

    async def begin(self, claim: IdempotencyClaim) -> Outcome | None:
        """Return the outcome of the first use of the key; None if this is the first.

        Raises IdempotencyKeyReused or IdempotencyInProgress.
        """
        known = await self._local.begin(claim)
        if isinstance(known, Created):
            return known
        try:
            outcome = await self._claimed(claim)
        except BaseException:
            await self._local.release(claim)
            raise
        if outcome is not None:
            await self._local.settle(claim, outcome)
        elif known is not None:  # the store has lost it
            await self.settle(claim, known)
        return outcome or known

    async def settle(self, claim: IdempotencyClaim, outcome: Outcome) -> Outcome:
        """Record the outcome of a claim, in the store as soon as it can be.

        Return the one that holds, as far as this process knows.
        """
        self._tokens.pop(claim, None)
        known = await self._local.settle(claim, outcome)
        terms = (claim.fingerprint.encode(), msgspec.json.encode(known), _DAY, _UNKNOWN)
        held = await self._store.deliver(_SETTLE, _keys(claim)[:1], *terms)
        if held is None:
            return known
        return await self._local.settle(claim, _decoded(held))

    async def release(self, claim: IdempotencyClaim) -> None:
        """Drop a claim without an outcome."""
        token = self._tokens.pop(claim, b"")
        await self._local.release(claim)
        await self._store.deliver(_RELEASE, _keys(claim)[:1], token)

    async def _claimed(self, claim: IdempotencyClaim) -> Outcome | None:
        """Claim the key in the store; None if this is its first use, as far as anybody knows."""
        token = self._tokens[claim] = secrets.token_bytes(8)
        keys = _keys(claim)
        name = keys[0].rpartition(":")[2].encode()
        terms = (claim.fingerprint.encode(), token, self._claim, _DAY, name, RECORDS_PER_USER)
        try:
            answer = await self._store.run(_CLAIM, keys, *terms, _UNKNOWN)
        except StoreUnavailable:
            return None
        if answer[0] == _FIRST:
            return None
        del self._tokens[claim]
        if answer[0] == _REUSED:
            raise IdempotencyKeyReused
        if answer[0] == _RUNNING:
            raise IdempotencyInProgress
        return _decoded(answer[1])


def _keys(claim: IdempotencyClaim) -> Sequence[str]:
    """Return the keys of the claim's record and of its user's index, in one place of a cluster."""
    index = f"create:{{{_hash(claim.user_id)}}}"
    return f"{index}:{_hash(claim.key)}", index


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _decoded(text: bytes) -> Outcome:
    """Return an outcome; one that this release cannot read is unknown to it."""
    try:
        return _DECODER.decode(text)
    except msgspec.MsgspecError:
        return UNKNOWN
