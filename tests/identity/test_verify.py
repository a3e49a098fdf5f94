import asyncio
import inspect
import itertools
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.identity import ClaimRules, Identity, Key, StaticKeys, TokenVerifier, hmac_key
from gateway.identity.keys import ALGORITHMS
from gateway.rooms import Caller, TokenExpired, TokenInvalid

Sign = Callable[[str, Any, Any], str]
Verify = Callable[..., Identity]

KINDS = ["HS256", "RS256", "ES256", "EdDSA"]
BASE64URL = string.ascii_letters + string.digits + "-_"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@dataclass
class Asked:
    """A key source that records the requested ids."""

    keys: Sequence[Key]
    ids: list[str | None] = field(default_factory=list)

    async def candidates(self, kid: str | None, _: object = None, /) -> Sequence[Key]:
        """Return all keys."""
        self.ids.append(kid)
        return self.keys


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_good_token(
    keys: Mapping[str, Key],
    signing_keys: Mapping[str, Any],
    claims: Mapping[str, Any],
    verify: Verify,
    algorithm: str,
) -> None:
    """A good token of every algorithm, made by PyJWT, is accepted."""
    token = jwt.encode({**claims, "scope": "a b"}, signing_keys[algorithm], algorithm)
    expected = Identity(Caller("alice", frozenset({"a", "b"})), claims["exp"])
    assert verify(token, keys[algorithm]) == expected


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_every_other_algorithm_is_refused(
    keys: Mapping[str, Key], sign: Sign, claims: Mapping[str, Any], verify: Verify, algorithm: str
) -> None:
    """A key verifies its own algorithm alone, also beside another key of the same material."""
    token = sign(algorithm, {"alg": algorithm}, claims)
    others = [key for name, key in keys.items() if name != algorithm]
    with pytest.raises(TokenInvalid, match=r"^no key for this alg and kid$"):
        verify(token, *others)


def test_one_clock(
    keys: Mapping[str, Key], sign: Sign, claims: Mapping[str, Any], rules: ClaimRules
) -> None:
    """A verifier accepts a token until the leeway is over, by its own clock."""
    token = sign("HS256", {"alg": "HS256"}, claims)
    times = iter([claims["exp"] - 1.0, claims["exp"] + 9.5, claims["exp"] + 10.0])
    verifier = TokenVerifier(StaticKeys([keys["HS256"]]), rules, lambda: next(times))
    assert asyncio.run(verifier.verify(token)) == asyncio.run(verifier.verify(token))
    with pytest.raises(TokenExpired):
        asyncio.run(verifier.verify(token))


def test_real_clock_by_default(
    keys: Mapping[str, Key], sign: Sign, claims: Mapping[str, Any], rules: ClaimRules
) -> None:
    """The default clock is the machine's."""
    token = sign("HS256", {"alg": "HS256"}, {**claims, "iat": 0, "exp": 60})
    with pytest.raises(TokenExpired):
        asyncio.run(TokenVerifier(StaticKeys([keys["HS256"]]), rules).verify(token))


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"typ": "JWT"},
        {"typ": "jwt"},
        {"typ": "at+jwt"},
        {"typ": "application/at+jwt"},
        {"typ": "Application/JWT"},
        {"kid": "2026-11"},
        {"kid": "https://accounts.example/keys/a=@b+c:1"},
        {"kid": "k" * 256},
        {"x5t": "thumbprint", "nonce": 1, "ver": {"a": []}},
    ],
)
def test_good_header(
    keys: Mapping[str, Key],
    sign: Sign,
    claims: Mapping[str, Any],
    verify: Verify,
    header: Mapping[str, Any],
) -> None:
    """Usual headers pass, and so do unknown harmless parameters (RFC 7515 §4)."""
    token = sign("ES256", {"alg": "ES256", **header}, claims)
    source = Asked([keys["ES256"]])
    assert verify(token, source=source).caller.user_id == "alice"
    assert source.ids == [header.get("kid")]


def test_previous_secret(sign: Sign, signing_keys: Mapping[str, Any], verify: Verify) -> None:
    """Tokens of both configured secrets are accepted; those of a dropped one are not."""
    current, previous = hmac_key(b"n" * 32), hmac_key(signing_keys["HS256"])
    claims = {"iss": "https://accounts.example", "aud": ["live-app"], "sub": "bob", "exp": 2e9}
    token = sign("HS256", {"alg": "HS256"}, claims)
    assert verify(token, current, previous).caller.user_id == "bob"
    with pytest.raises(TokenInvalid, match=r"^signature does not match$"):
        verify(token, current)


def test_no_keys(sign: Sign, claims: Mapping[str, Any], verify: Verify) -> None:
    """A source without keys makes every token invalid."""
    with pytest.raises(TokenInvalid, match=r"^no key for this alg and kid$"):
        verify(sign("ES256", {"alg": "ES256", "kid": "gone"}, claims))


@pytest.mark.parametrize("algorithm", KINDS)
def test_one_spelling(
    keys: Mapping[str, Key], sign: Sign, claims: Mapping[str, Any], verify: Verify, algorithm: str
) -> None:
    """The unused bits of a signature's last character cannot vary."""
    token = sign(algorithm, {"alg": algorithm}, claims)
    accepted = [
        character
        for character in BASE64URL
        if _outcome(verify, token[:-1] + character, keys[algorithm]) is not None
    ]
    assert accepted == [token[-1]]


@pytest.mark.parametrize("algorithm", KINDS)
@given(edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2), st.text(max_size=3))))
def test_mutated_token(
    keys: Mapping[str, Key],
    sign: Sign,
    claims: Mapping[str, Any],
    verify: Verify,
    algorithm: str,
    edits: list[tuple[int, int, str]],
) -> None:
    """A token with a part cut, replaced or inserted is refused."""
    token = sign(algorithm, {"alg": algorithm}, claims)
    mutated = token
    for start, removed, inserted in edits:
        at = start % (len(mutated) + 1)
        mutated = mutated[:at] + inserted + mutated[at + removed :]
    assume(mutated != token)
    assert _outcome(verify, mutated, keys[algorithm]) is None


@pytest.mark.parametrize("algorithm", KINDS)
@given(at=st.integers(min_value=0), character=st.sampled_from(BASE64URL + ".=+/ \n"))
def test_one_character_changed(
    keys: Mapping[str, Key],
    sign: Sign,
    claims: Mapping[str, Any],
    verify: Verify,
    algorithm: str,
    at: int,
    character: str,
) -> None:
    """A token with one character replaced is accepted only if the character is the same."""
    token = sign(algorithm, {"alg": algorithm}, claims)
    at %= len(token)
    mutated = token[:at] + character + token[at + 1 :]
    assert (_outcome(verify, mutated, keys[algorithm]) is not None) == (mutated == token)


@given(
    token=st.text(st.characters(), max_size=300)  # surrogates included
    | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True)
    | st.binary(max_size=300).map(lambda data: data.decode("latin-1"))
)
def test_any_text(keys: Mapping[str, Key], verify: Verify, token: str) -> None:
    """Any text at all is refused as invalid."""
    assert _outcome(verify, token, *keys.values()) is None


@given(
    header=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "b64", "x5c"]), JSON),
    payload=st.binary(max_size=200) | JSON,
    named=st.booleans(),
)
def test_any_signed_segments(
    keys: Mapping[str, Key],
    sign: Sign,
    verify: Verify,
    header: Mapping[str, Any],
    payload: object,
    named: bool,  # noqa: FBT001  # drawn
) -> None:
    """A well-signed token of arbitrary segments is refused as invalid."""
    token = sign("HS256", {**header, "alg": "HS256"} if named else header, payload)
    assert _outcome(verify, token, keys["HS256"]) is None


def test_verify_waits_for_keys_alone(
    keys: Mapping[str, Key], sign: Sign, claims: Mapping[str, Any], rules: ClaimRules
) -> None:
    """Verification with keys at hand never suspends."""
    verifier = TokenVerifier(StaticKeys([keys["EdDSA"]]), rules, itertools.repeat(1.8e9).__next__)
    coroutine = verifier.verify(sign("EdDSA", {"alg": "EdDSA"}, claims))
    assert inspect.iscoroutine(coroutine)
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    assert isinstance(ended.value.value, Identity)


def _outcome(verify: Verify, token: str, *keys: Key) -> Identity | None:
    """Return None for a refusal; any other error fails the test."""
    try:
        return verify(token, *keys)
    except (TokenInvalid, TokenExpired):
        return None
