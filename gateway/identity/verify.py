"""A verifier of test vectors: `python -m gateway.identity.verify --jwk FILE < tokens`.

FILE holds one JSON Web Key or a set. Standard input has one compact token a line. For each line the
program prints `accept` or `reject REASON`, at once. Key, header and signature are checked as for a
bearer token. Claims are not checked, so any payload will do.

- A set is read like an issuer's: the token's `kid` selects the key, and unusable keys are left out.
  A set of symmetric keys alone is accepted too, for HMAC.
- With an unusable key every token is rejected, for that reason.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import msgspec

from gateway.rooms import TokenInvalid

from .jwk import KeySet, is_symmetric, key_from_jwk, key_set, named_key, parse_key_set
from .keys import Key, KeySource, StaticKeys, Waiting
from .tokens import signed_payload


def main() -> None:
    """Check every line of standard input; exit with 2 if FILE cannot be read."""
    parser = argparse.ArgumentParser("python -m gateway.identity.verify", description=__doc__)
    parser.add_argument("--jwk", type=Path, required=True, help="a JSON Web Key or a set of them")
    try:
        jwk = parser.parse_args().jwk.read_bytes()
    except OSError as error:
        parser.error(f"the key file: {error.strerror}")
    asyncio.run(_check(jwk))


async def _check(jwk: bytes) -> None:
    try:
        keys: KeySource | str = key_source(jwk)
    except ValueError as error:
        keys = f"reject {error}"
    for line in sys.stdin.buffer:
        token = line.rstrip(b"\r\n").decode("latin-1")  # a token is ASCII
        result = keys if isinstance(keys, str) else await verdict(keys, token)
        sys.stdout.write(result + "\n")
        sys.stdout.flush()


async def verdict(keys: KeySource, token: str) -> str:
    """Return `accept`, or `reject` with a reason."""
    try:
        await signed_payload(token, keys)
    except TokenInvalid as error:
        return f"reject {error}"
    return "accept"


def key_source(jwk: bytes) -> KeySource:
    """Read a key or a set of keys; raise ValueError."""
    try:
        given = msgspec.json.decode(jwk)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("It is not JSON.") from None
    match given:
        case {"keys": [*entries]} if entries and all(map(is_symmetric, entries)):
            return _KeysOfSet(key_set(entries, named_key))
        case {"keys": _}:
            return _KeysOfSet(parse_key_set(jwk))
        case dict():
            return StaticKeys([key_from_jwk(given)])
        case _:
            raise ValueError("It is not a JSON object.")


class _KeysOfSet(StaticKeys):
    """The keys of a set, selected by the token's `kid`."""

    def __init__(self, keys: KeySet) -> None:
        super().__init__(keys.named(None))
        self._set = keys

    async def candidates(self, kid: str | None, _: Waiting = nullcontext, /) -> Sequence[Key]:
        return self._set.named(kid)


if __name__ == "__main__":
    main()
