"""Feeds tokens to the verifier: `python -m gateway.identity.verify --jwk FILE < tokens`.

FILE holds one JSON Web Key, or a set of them; standard input one compact token a line. For each
line one is printed: `accept`, or `reject REASON`. What is judged is the key, the header and the
signature, as for a bearer token; the claims are not, so that any payload will do.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gateway.rooms import TokenInvalid

from .jwk import key_from_jwk
from .keys import Key, StaticKeys
from .tokens import signed_payload


def main() -> None:
    """Judge every line of standard input."""
    parser = argparse.ArgumentParser("python -m gateway.identity.verify", description=__doc__)
    parser.add_argument("--jwk", type=Path, required=True, help="a JSON Web Key or a set of them")
    text = parser.parse_args().jwk.read_text()
    for line in sys.stdin:
        sys.stdout.write(asyncio.run(verdict(text, line.rstrip("\r\n"))) + "\n")


async def verdict(jwk: str, token: str) -> str:
    """Return `accept`, or `reject` and why."""
    try:
        await signed_payload(token, StaticKeys(list(_keys(jwk))))
    except (TokenInvalid, ValueError) as error:
        return f"reject {error}"
    return "accept"


def _keys(text: str) -> Iterable[Key]:
    given: Any = json.loads(text)
    for jwk in given.get("keys", [given]):
        yield key_from_jwk(jwk)


if __name__ == "__main__":
    main()
