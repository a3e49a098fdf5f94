"""A token in a cookie: where it is found, and what a write needs beside it."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from gateway.edge import TokenCookie
from gateway.edge.problems import CsrfRequired
from gateway.rooms import TokenInvalid, TokenMissing

APP, EVIL = b"https://app.example.com", b"https://evil.example"
COOKIE = TokenCookie("session", APP.__eq__)
MEANT = (b"x-gateway-csrf", b"1")

Header = tuple[bytes, bytes]


def tokens_in(*cookies: bytes) -> list[str]:
    """Return the tokens in these Cookie headers."""
    return COOKIE.tokens_in([(b"host", b"x"), *((b"cookie", each) for each in cookies)])


def token_in(*cookies: bytes) -> str:
    """Return the only token in these Cookie headers."""
    [token] = tokens_in(*cookies)
    return token


@pytest.mark.parametrize(
    "cookies",
    [
        [b"session=t.o-k_"],
        [b'session="t.o-k_"'],
        [b"a=b; session=t.o-k_; c=d"],
        [b"a=b;session=t.o-k_;c=d"],
        [b" session=t.o-k_ "],
        [b"a=b", b"session=t.o-k_", b"c=d"],
        [b"session2=x; session=t.o-k_; xsession=y; Session=z"],
        [b"=session; session; ; session=t.o-k_;"],
        [b"other=\xff\x00{]; session=t.o-k_"],
        [b"a=session=x; session=t.o-k_"],
    ],
)
def test_a_token_is_found_among_other_cookies(cookies: list[bytes]) -> None:
    """The token is found among others, in one header or several, in quotes or not."""
    assert token_in(*cookies) == "t.o-k_"


@pytest.mark.parametrize(
    "cookies",
    [
        [],
        [b""],
        [b"session"],
        [b"SESSION=t"],
        [b"session =t"],
        [b'"session"=t'],
        [b"xsession=t"],
        [b"a=session=t"],
        [b"session%3Dt"],
        [b"a=b, session=t"],
        [b"$Version=1, session=t"],
    ],
)
def test_no_cookie_of_the_name_is_no_token(cookies: list[bytes]) -> None:
    """The name is exact, in its case too; commas do not part cookies."""
    with pytest.raises(TokenMissing):
        token_in(*cookies)


@pytest.mark.parametrize(
    ("cookies", "tokens"),
    [
        ([b"session=a; session=b"], ["a", "b"]),
        ([b"session=a", b"session=a"], ["a"]),
        ([b"session=a; " * 9], ["a"]),
        ([b"session=a; x=y; session="], ["a", ""]),
        ([b'x="; session=a; "; session=b'], ["a", "b"]),
        ([b"session.0=a; session.1=b; session.2=c"], ["abc"]),
        ([b"session.1=b; x=y", b'session.0="a"'], ["ab"]),
        ([b"session.0=a; session.2=c"], ["a"]),
        ([b"session.1=b"], None),
        ([b"session.0=a; session.1=b; session.0=c; session.1=d"], ["ab", "cd"]),
        ([b"session.0=a; session.1=b; session.0=c"], ["ab", "c"]),
        ([b"session.1=b; session.0=a; session.2=c; session.0=d; session.1=e"], ["abc", "de"]),
        ([b"session.0=a; session.0=b; session.2=d; session.1=c"], ["a", "bcd"]),
        ([b"session.0=a; session=b"], ["b", "a"]),
        ([b"session.00=a; session.8=b; session.=c; session.x=d"], None),
        ([b"; ".join(b"session.%d=%d" % (n, n) for n in range(9))], ["01234567"]),
        ([b"session.0=a; session.1=b; session=ab"], ["ab"]),
        ([b"session=a; session=b; session=c; session.0=d"], ["a", "b", "c", "d"]),
    ],
)
def test_every_token_is_a_candidate(cookies: list[bytes], tokens: list[str] | None) -> None:
    """Each cookie of the name is one, and so are chunks joined by number; equal ones are one."""
    if tokens is None:
        with pytest.raises(TokenMissing):
            tokens_in(*cookies)
    else:
        assert tokens_in(*cookies) == tokens


def test_too_many_candidates_are_refused() -> None:
    """Tokens that would cost too many verifications are not looked at."""
    with pytest.raises(TokenInvalid):
        tokens_in(b"session=a; session=b; session=c; session=d; session.0=e")


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (b"", ""),
        (b'""', ""),
        (b'"', '"'),
        (b'"a', '"a'),
        (b'""a""', '"a"'),
        (b"a=b", "a=b"),
        (b"%41", "%41"),
        (b"a b", "a b"),
        (b"\xff", "\xff"),
    ],
)
def test_a_value_is_taken_as_it_is(value: bytes, token: str) -> None:
    """Nothing but one pair of quotes is removed, so that the verifier sees and refuses the rest."""
    assert token_in(b"session=" + value) == token


@given(st.lists(st.binary(max_size=12).filter(lambda text: b"session" not in text), max_size=5))
def test_other_cookies_do_not_matter(others: list[bytes]) -> None:
    """Among any cookies of other services the token is found, and nothing else is."""
    around = b";".join([*others, b"session=t", *others])
    assert token_in(around) == "t"
    with pytest.raises(TokenMissing):
        token_in(*others)


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
@pytest.mark.parametrize("headers", [[], [(b"origin", EVIL)], [(b"x-gateway-csrf", b"0")]])
def test_what_changes_nothing_needs_no_intent(method: str, headers: list[Header]) -> None:
    """A read is safe: CORS keeps its answer from other pages."""
    COOKIE.require_intent(method, headers)


@pytest.mark.parametrize(
    "headers",
    [
        [MEANT, (b"origin", APP)],
        [MEANT, (b"origin", APP), (b"sec-fetch-site", b"cross-site")],
        [MEANT, (b"sec-fetch-site", b"same-origin")],
    ],
)
def test_a_write_that_is_meant_passes(headers: list[Header]) -> None:
    """The header, and the app's origin, or without any origin the browser's word."""
    COOKIE.require_intent("POST", headers)


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH", "get", ""])
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"origin", APP)],
        *(
            [(b"x-gateway-csrf", value), (b"origin", APP)]
            for value in (b"", b"0", b"11", b"true", b" 1", b"1,1", b"\xb1")
        ),
        [MEANT],
        *(
            [MEANT, (b"sec-fetch-site", value)]
            for value in (b"", b"same-site", b"cross-site", b"none", b"same-origin, same-origin")
        ),
        [(b"sec-fetch-site", b"same-origin")],
        [MEANT, (b"sec-fetch-site", b"same-origin"), (b"sec-fetch-site", b"same-origin")],
        [MEANT, (b"origin", EVIL), (b"sec-fetch-site", b"same-origin")],
        [MEANT, MEANT, (b"origin", APP)],
        [MEANT, (b"origin", EVIL)],
        [MEANT, (b"origin", b"null")],
        [MEANT, (b"origin", b"")],
        [MEANT, (b"origin", APP), (b"origin", APP)],
        [MEANT, (b"origin", APP), (b"origin", EVIL)],
    ],
)
def test_a_write_that_may_not_be_meant_is_refused(method: str, headers: list[Header]) -> None:
    """One header with exactly `1`, and no origin but the app's, once, or one `same-origin`."""
    with pytest.raises(CsrfRequired):
        COOKIE.require_intent(method, headers)
