"""JSON Web Keys as published by an issuer, and arbitrary JSON."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from jwt.algorithms import get_default_algorithms

Jwk = dict[str, Any]

CANARY = "canary0123456789canary0123456789canary0123456789"
SECRET: Jwk = {"kty": "oct", "k": urlsafe_b64encode(CANARY.encode()).decode().rstrip("=")}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
MEMBERS = ["kty", "use", "key_ops", "alg", "kid", "crv", "x", "y", "n", "e", "k", "d", "x5c"]
"""Every member that counts, and `x5c`, which is ignored."""


def reason_against(read: Callable[[], object]) -> str:
    """Return the text of our ValueError, or an empty text without one; other errors are raised."""
    try:
        read()
    except ValueError as error:
        if type(error) is not ValueError or error.__cause__ is not None:
            raise
        return str(error)
    return ""


def as_set(*keys: object) -> bytes:
    """Return the text of a JWK set."""
    return json.dumps({"keys": keys}).encode()


def jwk_of(private: Any, alg: str) -> Jwk:
    """Return the public part as a JWK."""
    public = get_default_algorithms()[alg].to_jwk(private.public_key(), as_dict=True)
    return {**public, "key_ops": ["verify"]}


def decoded(text: str) -> bytes:
    """Return the bytes of a member."""
    return urlsafe_b64decode(text + "==")


def encoded(number: int) -> str:
    """Encode a number as a member."""
    return text_of(number.to_bytes((number.bit_length() + 7) // 8))


def text_of(data: bytes) -> str:
    """Encode bytes as a member."""
    return urlsafe_b64encode(data).decode().rstrip("=")
