"""Threats T7 to T9: bad claims in well-signed tokens."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gateway.identity import Identity, Key
from gateway.rooms import TokenExpired

Sign = Callable[[str, Any, Any], str]
Refusal = Callable[..., str]
Verify = Callable[..., Identity]
Claims = Mapping[str, Any]

KINDS = ["HS256", "RS256", "ES256", "EdDSA"]

AUD = "aud does not name the configured audience"
FORM = "payload is not strict JSON"
ISS = "iss is not the configured issuer"
USER = "user claim is not a usable id"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": None}, "exp is not a number"),
        ({"exp": "1800000060"}, "exp is not a number"),
        ({"exp": "2027-01-15T08:01:00Z"}, "exp is not a number"),
        ({"exp": True}, "exp is not a number"),
        ({"exp": [1_800_000_060]}, "exp is not a number"),
        ({"exp": {}}, "exp is not a number"),
        ({"exp": 253_370_764_800}, "exp is out of range"),
        ({"exp": 1_800_000_060_000}, "exp is out of range"),
        ({"exp": 1e300}, "exp is out of range"),
        ({"exp": 10**4000}, "exp is out of range"),
        ({"nbf": 1_800_000_011}, "nbf is in the future"),
        ({"iat": 1_800_000_011}, "iat is in the future"),
        ({"nbf": "0"}, "nbf is not a number"),
        ({"iat": "0"}, "iat is not a number"),
        ({"nbf": None}, "nbf is not a number"),
        ({"iat": False}, "iat is not a number"),
        ({"iat": -(10**4000)}, "iat is out of range"),
        ({"aud": None}, AUD),
        ({"aud": ""}, AUD),
        ({"aud": "live"}, AUD),
        ({"aud": "live-app2"}, AUD),
        ({"aud": "LIVE-APP"}, AUD),
        ({"aud": "live-app "}, AUD),
        ({"aud": "other live-app"}, AUD),
        ({"aud": []}, AUD),
        ({"aud": ["live-app2", "live"]}, AUD),
        ({"aud": ["live-app", 1]}, AUD),
        ({"aud": ["live-app", None]}, AUD),
        ({"aud": [["live-app"]]}, AUD),
        ({"aud": {"live-app": 1}}, AUD),
        ({"iss": None}, ISS),
        ({"iss": ""}, ISS),
        ({"iss": ["https://accounts.example"]}, ISS),
        ({"iss": "https://accounts.exampl"}, ISS),
        ({"iss": "https://accounts.example/"}, ISS),
        ({"iss": "https://accounts.example.mallory.example"}, ISS),
        ({"sub": None}, USER),
        ({"sub": ""}, USER),
        ({"sub": "alice\n"}, USER),
        ({"sub": "al\x00ice"}, USER),
        ({"sub": "alice\x7f"}, USER),
        ({"sub": "\ud800"}, USER),
        ({"sub": "al ice"}, USER),
        ({"sub": "al\u200bice"}, USER),
        ({"sub": "\u202ealice"}, USER),
        ({"sub": "al\u00a0ice"}, USER),
        ({"sub": "a" * 129}, USER),
        ({"sub": 10**4000}, USER),
        ({"sub": 7.0}, USER),
        ({"sub": True}, USER),
        ({"sub": ["alice"]}, USER),
        ({"sub": {"id": "alice"}}, USER),
    ],
)
@pytest.mark.parametrize("algorithm", KINDS)
def test_claims(
    keys: Mapping[str, Key],
    sign: Sign,
    claims: Claims,
    refusal: Refusal,
    algorithm: str,
    changes: Mapping[str, Any],
    reason: str,
) -> None:
    """T7-T9: claims that are missing, of the wrong type or not ours are refused by name."""
    token = sign(algorithm, {"alg": algorithm}, {**claims, **changes})
    assert refusal(token, keys[algorithm]) == reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [("exp", "exp is not a number"), ("aud", AUD), ("iss", ISS), ("sub", USER)],
)
@pytest.mark.parametrize("algorithm", KINDS)
def test_missing_claim(
    keys: Mapping[str, Key],
    sign: Sign,
    claims: Claims,
    refusal: Refusal,
    algorithm: str,
    name: str,
    reason: str,
) -> None:
    """T7-T9: a token without a required claim is refused."""
    payload = {key: value for key, value in claims.items() if key != name}
    assert refusal(sign(algorithm, {"alg": algorithm}, payload), keys[algorithm]) == reason


@pytest.mark.parametrize("exp", [1_799_999_990, 1_799_999_990.0, 1, 0, -1])
@pytest.mark.parametrize("algorithm", KINDS)
def test_past(
    keys: Mapping[str, Key], sign: Sign, claims: Claims, verify: Verify, algorithm: str, exp: float
) -> None:
    """T7: a token has expired once its `exp` is past by the leeway."""
    with pytest.raises(TokenExpired):
        verify(sign(algorithm, {"alg": algorithm}, {**claims, "exp": exp}), keys[algorithm])


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (b"1e999", "exp is out of range"),
        (b"-1e999", "exp is out of range"),
        (b"9" * 5000, FORM),
        (b"NaN", FORM),
        (b"Infinity", FORM),
        (b"-Infinity", FORM),
        (b"0x7fffffff", FORM),
    ],
)
@pytest.mark.parametrize("algorithm", KINDS)
def test_exp_beyond_json_numbers(
    keys: Mapping[str, Key],
    sign: Sign,
    refusal: Refusal,
    algorithm: str,
    number: bytes,
    reason: str,
) -> None:
    """T7: an `exp` that overflows or is no JSON number is refused."""
    payload = b'{"iss":"https://accounts.example","aud":"live-app","sub":"alice","exp":%b}'
    token = sign(algorithm, {"alg": algorithm}, payload % number)
    assert refusal(token, keys[algorithm]) == reason
