"""Threats T10 to T12: ambiguous and oversized text in well-signed tokens."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from jwt.algorithms import get_default_algorithms

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
    """T10: an ambiguous payload is refused."""
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
    """T10: an ambiguous header is refused."""
    header = json.dumps({"alg": algorithm, "sub": "alice", "exp": 1})
    assert refusal(sign(algorithm, spoil(header), claims)) == reason.format("header")


@pytest.mark.parametrize("algorithm", KINDS)
def test_header_that_is_not_base64(
    sign: Sign, claims: Claims, refusal: Refusal, algorithm: str
) -> None:
    """T10: a header with a dangling character is refused."""
    _, rest = sign(algorithm, {"alg": algorithm}, claims).split(".", 1)
    assert refusal(f"eyJhb.{rest}") == "header is not base64url"


@pytest.mark.parametrize("algorithm", KINDS)
@pytest.mark.parametrize("respelled", [0, 1])
def test_segment_with_unused_bits(
    keys: Mapping[str, Key],
    claims: Claims,
    signing_keys: Mapping[str, Any],
    verify: Verify,
    refusal: Refusal,
    algorithm: str,
    respelled: int,
) -> None:
    """T10: a segment in non-canonical base64url is refused, even if well signed."""
    texts = [json.dumps(part) for part in ({"alg": algorithm}, claims)]
    padded = [text.ljust(len(text) + (1 - len(text)) % 3).encode() for text in texts]
    segments = [urlsafe_b64encode(text).decode().rstrip("=") for text in padded]
    signer = get_default_algorithms()[algorithm]

    def signed() -> str:
        text = ".".join(segments)
        signature = signer.sign(text.encode(), signing_keys[algorithm])
        return f"{text}.{urlsafe_b64encode(signature).decode().rstrip('=')}"

    assert verify(signed(), keys[algorithm]).caller.user_id == "alice"
    segments[respelled] = segments[respelled][:-1] + chr(ord(segments[respelled][-1]) + 1)
    assert urlsafe_b64decode(segments[respelled] + "==") == padded[respelled]
    assert refusal(signed(), keys[algorithm]) == "signature does not match"


@pytest.mark.parametrize("algorithm", KINDS)
def test_length(
    keys: Mapping[str, Key],
    sign: Sign,
    claims: Claims,
    verify: Verify,
    refusal: Refusal,
    algorithm: str,
) -> None:
    """T11: a well-signed token of 8,192 bytes is read; a longer one is refused."""
    header, payload = b'{"alg":"%b"}' % algorithm.encode(), json.dumps(claims).encode()
    around = len(sign(algorithm, header, b""))
    size = (8192 - around) * 3 // 4
    longest, longer = (sign(algorithm, header, payload.ljust(size + more)) for more in (0, 1))
    assert len(longest) == 8192 < len(longer)
    assert verify(longest, keys[algorithm]).caller.user_id == "alice"
    assert refusal(longer) == LONG


@pytest.mark.parametrize("token", ["." * 8193, "=" * 8193, "\u00e9" * 8193, "\ud800" * 8193])
def test_length_comes_first(refusal: Refusal, token: str) -> None:
    """T11: an oversized token is refused for its length, whatever else is wrong."""
    assert refusal(token) == LONG


NESTED = [b"[" * 5000, b'{"a":' * 1100, b"[" * 2500 + b"]" * 2500]


@pytest.mark.parametrize("nested", NESTED)
@pytest.mark.parametrize("algorithm", KINDS)
def test_nesting(
    keys: Mapping[str, Key], sign: Sign, refusal: Refusal, algorithm: str, nested: bytes
) -> None:
    """T12: nesting as deep as the length allows is refused, in header and payload."""
    assert refusal(sign(algorithm, nested, {})).startswith("header is not ")
    token = sign(algorithm, {"alg": algorithm}, nested)
    assert refusal(token, keys[algorithm]).startswith("payload is not ")


@pytest.mark.parametrize("algorithm", KINDS)
def test_nesting_100k(sign: Sign, refusal: Refusal, algorithm: str) -> None:
    """T12: a token with 100,000 levels of nesting is refused for its length."""
    assert refusal(sign(algorithm, {"alg": algorithm}, b"[" * 100_000)) == LONG
    assert refusal(sign(algorithm, b"[" * 100_000, {})) == LONG
