"""Threats T10 to T12: text that readers disagree on, and too much of it, well signed."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from gateway.identity import Identity, Key

Sign = Callable[[str, Any, Any], str]
Refusal = Callable[..., str]
Verify = Callable[..., Identity]
Claims = Mapping[str, Any]

KINDS = ["HS256", "RS256", "ES256", "EdDSA"]

FORM = "{} is not strict JSON"
LONG = "token is too long"
NOT_OBJECT = "{} is not a JSON object"

UNREADABLE: Sequence[tuple[Callable[[str], bytes], str]] = [
    (lambda text: text.replace("alice", "\u00e9").encode("latin-1"), FORM),
    (lambda text: text.encode("utf-16"), FORM),
    (lambda text: text.encode("utf-16-le"), FORM),
    (lambda text: text.encode("utf-32"), FORM),
    (lambda text: text.encode("utf-8-sig"), FORM),
    (lambda text: text.replace("alice", "\ud800").encode("utf-8", "surrogatepass"), FORM),
    (lambda text: text.replace("alice", "\x00").encode(), FORM),
    (lambda text: text.replace("{", '{"sub":"bob",').encode(), FORM),
    (lambda text: text.replace("{", '{"s\\u0075b":"bob",').encode(), FORM),
    (lambda text: text.replace("{", '{"x":null,').replace("}", ',"x":null}').encode(), FORM),
    (lambda text: text.replace("{", '{"exp":1,').replace("}", ',"exp":9}').encode(), FORM),
    (lambda text: text.replace("{", '{"x":{"a":1,"a":2},').encode(), FORM),
    (lambda text: text.replace("{", '{"x":NaN,').encode(), FORM),
    (lambda text: (text + text).encode(), FORM),
    (lambda text: text.replace('"', "'").encode(), FORM),
    (lambda text: text[:-1].encode(), FORM),
    (lambda text: text.replace("}", ",}").encode(), FORM),
    (lambda text: f"[{text}]".encode(), NOT_OBJECT),
    (lambda text: json.dumps(text).encode(), NOT_OBJECT),
    (lambda _: b"null", NOT_OBJECT),
    (lambda _: b"1", NOT_OBJECT),
]


@pytest.mark.parametrize(("spoil", "reason"), UNREADABLE)
@pytest.mark.parametrize("algorithm", KINDS)
def test_payload_text(
    keys: Mapping[str, Key],
    sign: Sign,
    claims: Claims,
    refusal: Refusal,
    algorithm: str,
    spoil: Callable[[str], bytes],
    reason: str,
) -> None:
    """T10: a payload that two readers could read differently is refused."""
    token = sign(algorithm, {"alg": algorithm}, spoil(json.dumps(claims)))
    assert refusal(token, keys[algorithm]) == reason.format("payload")


@pytest.mark.parametrize(("spoil", "reason"), UNREADABLE)
@pytest.mark.parametrize("algorithm", KINDS)
def test_header_text(
    sign: Sign,
    claims: Claims,
    refusal: Refusal,
    algorithm: str,
    spoil: Callable[[str], bytes],
    reason: str,
) -> None:
    """T10: so is such a header."""
    header = json.dumps({"alg": algorithm, "sub": "alice", "exp": 1})
    assert refusal(sign(algorithm, spoil(header), claims)) == reason.format("header")


def test_header_that_is_not_base64(sign: Sign, claims: Claims, refusal: Refusal) -> None:
    """T10: a header with a dangling character is refused."""
    _, rest = sign("HS256", {"alg": "HS256"}, claims).split(".", 1)
    assert refusal(f"eyJhb.{rest}") == "header is not base64url"


def test_length(
    keys: Mapping[str, Key], sign: Sign, claims: Claims, verify: Verify, refusal: Refusal
) -> None:
    """T11: a well-signed token of 8,192 bytes is read, one of 8,193 is not."""
    payload = json.dumps(claims).encode()
    longest, longer = (
        sign("HS256", b'{"alg":"HS256"}', payload.ljust(size)) for size in (6095, 6096)
    )
    assert (len(longest), len(longer)) == (8192, 8193)
    assert verify(longest, keys["HS256"]).caller.user_id == "alice"
    assert refusal(longer) == LONG


@pytest.mark.parametrize("token", ["." * 8193, "=" * 8193, "\u00e9" * 8193, "\ud800" * 8193])
def test_length_comes_first(refusal: Refusal, token: str) -> None:
    """T11: what is too long is refused for that, whatever else is wrong with it."""
    assert refusal(token) == LONG


NESTED = [b"[" * 5000, b'{"a":' * 1100, b"[" * 2500 + b"]" * 2500]


@pytest.mark.parametrize("nested", NESTED)
def test_nesting(keys: Mapping[str, Key], sign: Sign, refusal: Refusal, nested: bytes) -> None:
    """T12: nesting as deep as the length allows is refused, in the header and in the payload."""
    assert refusal(sign("HS256", nested, {})).startswith("header is not ")
    token = sign("HS256", {"alg": "HS256"}, nested)
    assert refusal(token, keys["HS256"]).startswith("payload is not ")


def test_nesting_100k(sign: Sign, refusal: Refusal) -> None:
    """T12: 100,000 levels are too long to be looked at."""
    assert refusal(sign("HS256", {"alg": "HS256"}, b"[" * 100_000)) == LONG
    assert refusal(sign("HS256", b"[" * 100_000, {})) == LONG
