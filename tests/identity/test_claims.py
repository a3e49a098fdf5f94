import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.identity import ClaimRules, Identity
from gateway.identity.claims import identity_from
from gateway.rooms import Caller, TokenExpired, TokenInvalid

NOW = 1_800_000_000
LEEWAY = 10
YEAR_9999 = 253_370_764_800

PLAIN = ClaimRules(issuer=None, audience=None, leeway=LEEWAY)
EXP = NOW + 60
GOOD = {"sub": "alice", "exp": EXP}

OF_PROVIDERS = [
    *("auth0|5f7c0e2a9d1b3c4d5e6f7a8b", "google-oauth2|108291234567890123456"),
    *("spiffe://example.org/ns/live/sa/app", "name+tag@example.com", "用户1", "Jürgen"),
]

ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def test_good_claims(claims: Mapping[str, Any], rules: ClaimRules) -> None:
    """Good claims make a caller without scopes, valid until `exp`."""
    identity = identity_from(claims, rules, NOW)
    assert identity == Identity(Caller("alice"), claims["exp"])


def test_nothing_configured() -> None:
    """Without a configured issuer and audience, both claims are ignored."""
    odd: Mapping[str, Any]
    for odd in ({}, {"iss": ["x"], "aud": {"x": 1}}, {"iss": None, "aud": []}):
        assert identity_from({**GOOD, **odd}, PLAIN, NOW).caller.user_id == "alice"


@pytest.mark.parametrize("past", [-60, 0, 9, 9.999])
def test_alive(past: float) -> None:
    """A token lives for less than the leeway after its `exp`."""
    assert identity_from(GOOD, PLAIN, EXP + past).expires_at == EXP


@pytest.mark.parametrize("past", [10, 10.5, 1e9])
def test_expired(past: float) -> None:
    """From the leeway after its `exp` a token is expired."""
    with pytest.raises(TokenExpired, match=r"^token has expired$"):
        identity_from(GOOD, PLAIN, EXP + past)


@pytest.mark.parametrize("name", ["nbf", "iat"])
@pytest.mark.parametrize("early", [0, 9.5, 10])
def test_start_edge(name: str, early: float) -> None:
    """A token may be used before its `nbf` and `iat` by up to the leeway."""
    assert identity_from({**GOOD, name: NOW + early}, PLAIN, NOW).caller.user_id == "alice"
    with pytest.raises(TokenInvalid, match=f"^{name} is in the future$"):
        identity_from({**GOOD, name: NOW + early + LEEWAY + 0.001}, PLAIN, NOW)


def test_no_leeway() -> None:
    """With a leeway of zero, `exp` is the first moment that is too late."""
    strict = replace(PLAIN, leeway=0)
    assert identity_from(GOOD, strict, NOW + 59.999).expires_at == NOW + 60
    with pytest.raises(TokenExpired):
        identity_from(GOOD, strict, NOW + 60)


def test_last_expiry() -> None:
    """An `exp` from the year 9999 on is refused; fractions of a second are accepted."""
    latest = YEAR_9999 - 0.5
    assert identity_from({**GOOD, "exp": latest}, PLAIN, NOW).expires_at == latest
    with pytest.raises(TokenInvalid, match=r"^exp is out of range$"):
        identity_from({**GOOD, "exp": YEAR_9999}, PLAIN, NOW)


@pytest.mark.parametrize("exp", [math.nan, math.inf, -math.inf, 10**400, -(10**400)])
def test_numbers_that_are_no_times(exp: float) -> None:
    """Numbers beyond every calendar are refused as a time, without an overflow."""
    for name in ("exp", "nbf", "iat"):
        with pytest.raises(TokenInvalid, match=f"^{name} is out of range$"):
            identity_from({**GOOD, name: exp}, PLAIN, NOW)


@pytest.mark.parametrize(
    "wrong", [{"iss": "mallory"}, {"aud": "other"}, {"sub": ""}, {"nbf": NOW + 3600}]
)
def test_expired_and_wrong(
    claims: Mapping[str, Any], rules: ClaimRules, wrong: Mapping[str, Any]
) -> None:
    """An expired token with another fault is invalid, not expired."""
    with pytest.raises(TokenInvalid):
        identity_from({**claims, **wrong}, rules, NOW + 120)


@pytest.mark.parametrize("aud", ["live-app", ["live-app"], ["other", "live-app"]])
def test_audience(claims: Mapping[str, Any], rules: ClaimRules, aud: object) -> None:
    """The audience must be the configured one, alone or in a list."""
    assert identity_from({**claims, "aud": aud}, rules, NOW).caller.user_id == "alice"


@pytest.mark.parametrize("user_id", ["a", "x" * 128, "user_1", "12345", "..", "-", *OF_PROVIDERS])
def test_user_id(user_id: str) -> None:
    """Every valid id is taken unchanged."""
    assert identity_from({**GOOD, "sub": user_id}, PLAIN, NOW).caller.user_id == user_id


@pytest.mark.parametrize("number", [0, 7, -7, 2**64, 10**127 - 1, -(10**127) + 1])
def test_a_number_is_its_text(number: int) -> None:
    """A user claim that is an integer counts as its decimal text."""
    assert identity_from({**GOOD, "sub": number}, PLAIN, NOW).caller.user_id == str(number)


@pytest.mark.parametrize(
    "value",
    [
        *("", "a b", "a\n", "\x7f", "a\u00a0", "\u3000", "a\u200b", "\u202ea", "\ud800", "x" * 129),
        *(True, False, 1.0, 1e300, math.nan, None, [], ["alice"], {"id": 1}, 10**127, -(10**9000)),
    ],
    ids=lambda value: ascii(value)[:20] if isinstance(value, str) else type(value).__name__,
)
def test_no_user_id(value: object) -> None:
    """Any other value is refused, without an overflow."""
    with pytest.raises(TokenInvalid, match=r"^user claim is not a usable id$"):
        identity_from({**GOOD, "sub": value}, PLAIN, NOW)


def test_other_user_claim() -> None:
    """The user id comes from the configured claim, never from `sub` instead."""
    by_uid = replace(PLAIN, user_claim="uid")
    assert identity_from({**GOOD, "uid": "bob"}, by_uid, NOW).caller.user_id == "bob"
    with pytest.raises(TokenInvalid, match=r"^user claim is not a usable id$"):
        identity_from(GOOD, by_uid, NOW)


@pytest.mark.parametrize(
    ("scope", "granted"),
    [
        ("rooms:admin", {"rooms:admin"}),
        ("rooms:admin rooms:create", {"rooms:admin", "rooms:create"}),
        ("  a  b ", {"a", "b"}),
        ("", set()),
        ("a,b", {"a,b"}),
        ("rooms:admin\tb", {"rooms:admin\tb"}),
        ("rooms:admin\u00a0", {"rooms:admin\u00a0"}),
        (["rooms:admin", "b"], {"rooms:admin", "b"}),
        (["a rooms:admin"], {"a rooms:admin"}),
        ([], set()),
        ([""], set()),
        (["rooms:admin", 1], set()),
        ([["rooms:admin"]], set()),
        ({"rooms:admin": True}, set()),
        (None, set()),
        (1, set()),
        (True, set()),
    ],
)
def test_scopes(scope: object, granted: set[str]) -> None:
    """Scopes are a list, or text split at spaces only; any other form grants nothing."""
    assert identity_from({**GOOD, "scope": scope}, PLAIN, NOW).caller.scopes == granted


def test_other_scope_claims_grant_nothing() -> None:
    """Only the claim `scope` grants scopes."""
    claims = {**GOOD, "scp": "rooms:admin", "scopes": ["rooms:admin"], "roles": ["rooms:admin"]}
    assert identity_from(claims, PLAIN, NOW).caller.scopes == frozenset()


@given(
    changed=st.dictionaries(
        st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "scope"]), ANY_VALUE
    )
)
def test_any_claims(
    claims: Mapping[str, Any], rules: ClaimRules, changed: Mapping[str, Any]
) -> None:
    """Any claims end in an identity of the user they name, or in one of two errors."""
    merged = {**claims, **changed}
    try:
        identity = identity_from(merged, rules, NOW)
    except (TokenInvalid, TokenExpired):
        assert changed
    else:
        assert identity.caller.user_id == str(merged["sub"])
        assert NOW - LEEWAY < identity.expires_at < YEAR_9999


SHOWN = ["Alice", "爱丽丝 👩", "a" * 255, "https://example.test/a.png?x=1", ""]
NOT_SHOWN = [
    None,
    7,
    True,
    ["Alice"],
    {"en": "Alice"},
    "a" * 256,
    "a\nb",
    "\u202ea",
    "\x00",
    "\ud800",
]


@pytest.mark.parametrize("name", ["name", "picture"])
def test_name_and_picture(name: str) -> None:
    """Name and picture are taken from a token if they are fit to be shown, else left empty."""
    assert getattr(identity_from(GOOD, PLAIN, NOW).caller, name) == ""
    for value in SHOWN:
        assert getattr(identity_from({**GOOD, name: value}, PLAIN, NOW).caller, name) == value
    odd: Any
    for odd in NOT_SHOWN:
        assert getattr(identity_from({**GOOD, name: odd}, PLAIN, NOW).caller, name) == ""


@pytest.mark.parametrize(
    ("value", "token_id"),
    [
        *(("8c1f", "8c1f"), ("a/b|c", "a/b|c"), ("x" * 256, "x" * 256)),
        *(("", ""), ("x" * 257, ""), ("a b", ""), ("ä", ""), (1, ""), (None, ""), (["a"], "")),
    ],
)
def test_the_jti_is_kept(value: object, token_id: str) -> None:
    """A usable `jti` is kept with the identity; an odd one counts as none and refuses nobody."""
    assert identity_from({**GOOD, "jti": value}, PLAIN, NOW).token_id == token_id
