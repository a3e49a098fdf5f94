import json
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.jwk import KeySet, parse_key_set
from tests.identity.published import (
    CANARY,
    JSON,
    MEMBERS,
    SECRET,
    Jwk,
    as_set,
    jwk_of,
    reason_against,
)

Jwks = Mapping[str, Jwk]

USE = "Its `use` is not for signatures."


def test_set_of_keys(jwks: Jwks) -> None:
    """Usable keys are found by `kid`, all without one; others are left out with a reason."""
    published = parse_key_set(
        as_set(
            {**jwks["RS256"], "kid": "a"},
            {**jwks["ES256"], "kid": "b"},
            {**jwks["EdDSA"]},
            {**jwks["ES384"], "kid": 7},
            {**jwks["ES512"], "use": "enc"},
            SECRET,
            "key",
            None,
        )
    )
    assert [each.kid for each in published.keys] == ["a", "b", None, None]
    assert published.left_out == (
        f"key 5: {USE}",
        "key 6: It is a symmetric key, no secret in a published set.",
        "key 7: It is not a JSON object.",
        "key 8: It is not a JSON object.",
    )
    assert [key.algorithms for key in published.named("b")] == [{"ES256"}]
    assert published.named("c") == []
    assert len(published.named(None)) == 4


def test_kid_that_names_two(jwks: Jwks) -> None:
    """Two keys with one `kid` and algorithm are both left out."""
    other = jwk_of(rsa.generate_private_key(65537, 2048), "RS256")
    first = {**jwks["RS256"], "kid": "a", "alg": "RS256"}
    for second, left in (
        ({**other, "kid": "a", "alg": "RS256"}, 0),
        ({**other, "kid": "a"}, 0),
        ({**other, "kid": "b"}, 2),
        ({**other, "kid": "a", "alg": "PS256"}, 2),
        ({**other, "kid": "a", "use": "enc"}, 1),
        ({**jwks["ES256"], "kid": "a"}, 2),
        (first, 2),
    ):
        published = parse_key_set(as_set(first, second))
        assert len(published.named("a") + published.named("b")) == left, second
    nameless = {name: value for name, value in first.items() if name != "kid"}
    assert len(parse_key_set(as_set(nameless, other)).keys) == 2


def test_empty_set() -> None:
    """A set without keys is valid."""
    assert parse_key_set(b'{"keys": [], "other": 1}') == KeySet((), ())


def test_too_many_keys(jwks: Jwks) -> None:
    """A set of more than a hundred keys is refused, since reading it blocks the loop."""
    hundred = [{**jwks["EdDSA"], "kid": str(number)} for number in range(100)]
    assert len(parse_key_set(as_set(*hundred)).keys) == 100
    with pytest.raises(ValueError, match="more than 100 keys"):
        parse_key_set(as_set(*hundred, hundred[0]))


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"{}", b"[]", b"null", b'"keys"', b'{"keys": {}}', b'{"keys": null}', b"\xff"),
        *(b'{"keys": [', b'{"keys": "canary"}', b"canary", b"<html>", b"[" * 100_000),
        '{"keys": []}'.encode("utf-16"),
        b'{"kty": "oct", "k": "canary"}',
    ],
)
def test_not_a_set(text: bytes) -> None:
    """Anything but an object with a list of keys is refused without being quoted."""
    with pytest.raises(ValueError, match=r"^(?!.*canary)It is not a JWK set"):
        parse_key_set(text)


@given(text=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_text(text: bytes) -> None:
    """Any text of an issuer makes a set or a ValueError."""
    reason = reason_against(lambda: parse_key_set(text))
    assert not reason or reason.startswith("It is not a JWK set")


@pytest.mark.parametrize("member", MEMBERS)
def test_errors_hold_no_key(jwks: Jwks, member: str) -> None:
    """No reason quotes a member's value."""
    for alg in ("RS256", "ES256", "EdDSA"):
        for wrong in (CANARY, [CANARY], {CANARY: CANARY}):
            told = parse_key_set(as_set({**jwks[alg], member: wrong})).left_out
            assert "canary" not in "".join(told)
