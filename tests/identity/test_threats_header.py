"""Threats T1 and T3 to T6: bad headers.

Tokens are well signed with a key of the verifier, except where the signature is the point, so only
the check under test can refuse them. Reasons are compared whole: they are constants.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gateway.identity import Key

Sign = Callable[[str, Any, Any], str]
Refusal = Callable[..., str]
Segment = Callable[[Any], str]
Claims = Mapping[str, Any]

KINDS = ["HS256", "RS256", "ES256", "EdDSA"]

ALG = "alg is not supported"
COMPACT = "token is not in compact form"
KID = "kid is malformed"
LONG = "token is too long"
PARAMETER = "header has a parameter that is not supported"
TYP = "typ is not a JWT"


@pytest.mark.parametrize("algorithm", KINDS)
@pytest.mark.parametrize(
    "alg",
    [
        *("none", "None", "NONE", "nOnE", "none ", "no\u0000ne", ""),
        *("hs256", "HS256 ", "RS25", "HS256,RS256", "ES256K", "ES521", "HS1", "dir", "RSA1_5"),
        *(None, 0, 256, True, ["HS256"], ["none"], {"HS256": 1}),
    ],
)
def test_alg(sign: Sign, claims: Claims, refusal: Refusal, algorithm: str, alg: object) -> None:
    """T1: an unknown `alg` is refused, however well signed."""
    token = sign(algorithm, {"typ": "JWT", "alg": alg}, claims)
    assert refusal(token) == ALG


@pytest.mark.parametrize("algorithm", KINDS)
def test_no_alg(sign: Sign, claims: Claims, refusal: Refusal, algorithm: str) -> None:
    """T1: a header without `alg` is refused."""
    assert refusal(sign(algorithm, {"typ": "JWT"}, claims)) == ALG


@pytest.mark.parametrize("alg", ["none", "NONE", *KINDS])
def test_unsigned(
    keys: Mapping[str, Key], claims: Claims, segment: Segment, refusal: Refusal, alg: str
) -> None:
    """T1: a token without a signature is not in compact form."""
    token = f"{segment({'alg': alg})}.{segment(claims)}."
    assert refusal(token, *keys.values()) == COMPACT


@pytest.mark.parametrize("algorithm", KINDS)
def test_none_with_a_signature(
    keys: Mapping[str, Key], claims: Claims, segment: Segment, refusal: Refusal, algorithm: str
) -> None:
    """T1: `none` with any signature is refused."""
    token = f"{segment({'alg': 'none'})}.{segment(claims)}.{segment('x')}"
    assert refusal(token, keys[algorithm]) == ALG


@pytest.mark.parametrize(
    "kid",
    [
        *("../../etc/passwd", "keys/..", "..", "a..b", "/dev/null/../x", "..\\..\\x"),
        *("' OR 1=1 --", "x; DROP TABLE keys", "a\x00b", "a\nb", "key\n", "a b", "%2e%2e"),
        *("", "k" * 257, "k" * 5000, "cl\u00e9", "\ud800", "\u202ekey", "$(id)", "{{7*7}}"),
        *(None, 0, 1.5, True, ["a"], {"a": 1}),
    ],
)
@pytest.mark.parametrize("algorithm", KINDS)
def test_kid(sign: Sign, claims: Claims, refusal: Refusal, algorithm: str, kid: object) -> None:
    """T3: a malformed `kid` never reaches the key source."""
    assert refusal(sign(algorithm, {"alg": algorithm, "kid": kid}, claims)) == KID


@pytest.mark.parametrize("algorithm", KINDS)
def test_long_kid(sign: Sign, claims: Claims, refusal: Refusal, algorithm: str) -> None:
    """T3: a `kid` of 10 KB makes the token too long."""
    assert refusal(sign(algorithm, {"alg": algorithm, "kid": "k" * 10_240}, claims)) == LONG


@pytest.mark.parametrize("algorithm", KINDS)
@pytest.mark.parametrize(
    "header",
    [
        {"jku": "https://127.0.0.1/jwks.json"},
        {"x5u": "https://127.0.0.1/cert.pem"},
        {"x5c": ["MIIB"]},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"jku": None},
        {"crit": ["exp"]},
        {"crit": ["unknown"], "unknown": 1},
        {"crit": ["b64"], "b64": True},
        {"crit": []},
        {"crit": None},
        {"b64": False},
        {"b64": False, "crit": ["b64"]},
        {"b64": True},
        {"cty": "JWT"},
        {"cty": ""},
        {"zip": "DEF"},
        {"enc": "A256GCM"},
    ],
)
def test_parameter(
    sign: Sign, claims: Claims, refusal: Refusal, algorithm: str, header: Mapping[str, Any]
) -> None:
    """T4-T6: a parameter that fetches, carries or renames keys, or changes parsing, is refused."""
    assert refusal(sign(algorithm, {"alg": algorithm, **header}, claims)) == PARAMETER


@pytest.mark.parametrize("algorithm", KINDS)
@pytest.mark.parametrize(
    "typ",
    ["JWE", "JOSE", "JOSE+JSON", "dpop+jwt", "logout+jwt", "id+jwt", "jwt ", "", None, 1, ["JWT"]],
)
def test_typ(sign: Sign, claims: Claims, refusal: Refusal, algorithm: str, typ: object) -> None:
    """T6: a token made for another purpose is refused (RFC 8725 §3.11)."""
    assert refusal(sign(algorithm, {"alg": algorithm, "typ": typ}, claims)) == TYP


@pytest.mark.parametrize("algorithm", KINDS)
def test_form(sign: Sign, claims: Claims, refusal: Refusal, algorithm: str) -> None:
    """T6: two, four and five segments, empty ones, padding and other alphabets are refused."""
    good = sign(algorithm, {"alg": algorithm}, claims)
    header, payload, signature = good.split(".")
    for token in (
        *("", ".", "..", "...", "a", header, f"{header}.{payload}"),
        *(f"{good}.", f".{good}", f"{good}.x", f"{good}.x.y", f"{header}..{signature}"),
        *(f"{header}..{payload}.{signature}", f".{payload}.{signature}"),
        *(f"{good}=", f"{good}==", f"{header}=.{payload}.{signature}"),
        *(f" {good}", f"{good} ", f"{good}\n", f"{good}\r\n", f"{good}\x00", f"{good},{good}"),
        *(f"Bearer {good}", f'"{good}"', f"{header}.{payload}+.{signature}", f"{good}/"),
        *(good.replace("e", "\uff45"), f"{good}\u0661", f"{good}\ud800"),
    ):
        assert refusal(token) == COMPACT


@pytest.mark.parametrize("algorithm", KINDS)
def test_json_serialization(sign: Sign, claims: Claims, refusal: Refusal, algorithm: str) -> None:
    """T6: the JSON serializations of the same signature are refused."""
    header, payload, signature = sign(algorithm, {"alg": algorithm}, claims).split(".")
    flat = {"protected": header, "payload": payload, "signature": signature}
    general = {"payload": payload, "signatures": [{"protected": header, "signature": signature}]}
    assert refusal(json.dumps(flat)) == COMPACT
    assert refusal(json.dumps(general)) == COMPACT
