"""The places in a request where a token may stand."""

import pytest

from gateway.edge.authentication import bearer_token
from gateway.rooms import TokenInvalid, TokenMissing


@pytest.mark.parametrize(
    "value",
    [b"Bearer t.o.k", b"bearer t.o.k", b"BEARER t.o.k", b"Bearer   t.o.k", b"Bearer t.o.k "],
)
def test_the_scheme_has_any_case_and_spaces(value: bytes) -> None:
    """The token comes back without the scheme and the spaces around it."""
    assert bearer_token([(b"host", b"x"), (b"authorization", value)]) == "t.o.k"


@pytest.mark.parametrize(
    "value",
    [b"", b" ", b"t.o.k", b"Basic dXNlcjpwYXNz", b"Basic t.o.k", b"Token t.o.k", b"Bearer,t.o.k"],
)
def test_another_scheme_is_no_token(value: bytes) -> None:
    """With another scheme a token is missing, whatever follows."""
    with pytest.raises(TokenMissing):
        bearer_token([(b"authorization", value)])


@pytest.mark.parametrize("headers", [[], [(b"x-authorization", b"Bearer t"), (b"cookie", b"t=t")]])
def test_no_header_is_no_token(headers: list[tuple[bytes, bytes]]) -> None:
    """A token elsewhere is ignored."""
    with pytest.raises(TokenMissing):
        bearer_token(headers)


@pytest.mark.parametrize(
    "values",
    [(b"Bearer a", b"Bearer b"), (b"Bearer a", b"Bearer a"), (b"Bearer a", b""), (b"Basic a",) * 2],
)
def test_two_headers_are_refused(values: tuple[bytes, ...]) -> None:
    """Two Authorization headers have no single meaning, even where they agree."""
    with pytest.raises(TokenInvalid):
        bearer_token([(b"authorization", value) for value in values])


@pytest.mark.parametrize("value", [b"Bearer", b"Bearer ", b"bearer    "])
def test_a_bare_scheme_is_an_empty_token(value: bytes) -> None:
    """`Bearer` alone leaves a text that no verifier accepts."""
    assert bearer_token([(b"authorization", value)]) == ""


@pytest.mark.parametrize("value", [b"Bearer a b", b"Bearer \xff\xfe", b"Bearer a,Bearer b"])
def test_odd_bytes_stay_in_the_token(value: bytes) -> None:
    """Nothing is cut away, so that the verifier sees and refuses it."""
    assert bearer_token([(b"authorization", value)]).encode("latin-1") == value[7:]
