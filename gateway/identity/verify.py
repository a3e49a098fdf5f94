"""Feeds tokens to the verifier: `python -m gateway.identity.verify --jwk FILE < tokens`.

FILE holds one JSON Web Key, or a set of them; standard input one compact token a line. For each
line one is printed, at once: `accept`, or `reject REASON`. What is judged is the key, the header
and the signature, as for a bearer token; the claims are not, so that any payload will do.

- A set is read as one that an issuer publishes: a token's `kid` picks the key, and a key that
  cannot be used is left out. A set of secrets and nothing else is taken too, for the sake of HMAC.
- A key that cannot be used accepts nothing: every token is rejected, for that reason.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.rooms import TokenInvalid

from .jwk import KeySet, key_from_jwk, key_set, named_key, parse_key_set
from .keys import Key, KeySource, StaticKeys
from .tokens import signed_payload


def main() -> None:
    """Judge every line of standard input; exit with 2 if there is no such FILE."""
    parser = argparse.ArgumentParser("python -m gateway.identity.verify", description=__doc__)
    parser.add_argument("--jwk", type=Path, required=True, help="a JSON Web Key or a set of them")
    try:
        jwk = parser.parse_args().jwk.read_bytes()
    except OSError as error:
        parser.error(f"the key file: {error.strerror}")
    asyncio.run(_judge(jwk))


async def _judge(jwk: bytes) -> None:
    try:
        keys: KeySource | str = key_source(jwk)
    except ValueError as error:
        keys = f"reject {error}"
    for line in sys.stdin.buffer:
        token = line.rstrip(b"\r\n").decode("latin-1")  # what is not ASCII is no token anyway
        said = keys if isinstance(keys, str) else await verdict(keys, token)
        sys.stdout.write(said + "\n")
        sys.stdout.flush()


async def verdict(keys: KeySource, token: str) -> str:
    """Return `accept`, or `reject` and why."""
    try:
        await signed_payload(token, keys)
    except TokenInvalid as error:
        return f"reject {error}"
    return "accept"


def key_source(jwk: bytes) -> KeySource:
    """Return the key or the set of keys that a text is; raise ValueError for neither."""
    try:
        given = msgspec.json.decode(jwk)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("It is not JSON.") from None
    match given:
        case {"keys": [*entries]} if entries and all(_is_secret(each) for each in entries):
            return _KeysOfSet(key_set(entries, named_key))
        case {"keys": _}:
            return _KeysOfSet(parse_key_set(jwk))
        case dict():
            return StaticKeys([key_from_jwk(given)])
        case _:
            raise ValueError("It is not a JSON object.")


def _is_secret(entry: object) -> bool:
    return isinstance(entry, dict) and entry.get("kty") == "oct"


class _KeysOfSet(StaticKeys):
    """The keys of a set, by the `kid` of the token."""

    def __init__(self, keys: KeySet) -> None:
        super().__init__(keys.named(None))
        self._set = keys

    async def candidates(self, kid: str | None, /) -> Sequence[Key]:
        return self._set.named(kid)


if __name__ == "__main__":
    main()
