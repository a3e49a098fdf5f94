"""A token in a cookie, for web apps whose script must not hold one.

Browsers send a cookie with any request to its site, whoever's page makes it. So what a cookie signs
in may change something only where a page of the app meant it (`require_intent`): the header
`X-Gateway-CSRF: 1` cannot be sent by a form, and by a script of another origin only after a
preflight, which CORS answers. Browsers put `Origin` on every such request; one that is there must
be a configured one, the app's own included, because behind a proxy the gateway does not know by
which origin it is reached.

Read as RFC 6265 §4.2 writes it: pairs between semicolons, in one header or several, a value
perhaps in quotes. Other services' cookies may be anything. Two of the name have no single meaning:
a neighbouring subdomain can plant a second one, so both are refused (a name that begins with
`__Host-` keeps it from doing so).
"""

from collections.abc import Callable, Iterable

from gateway.rooms import TokenInvalid, TokenMissing

from .answers import Header
from .problems import CsrfRequired

CSRF_HEADER = b"x-gateway-csrf"

_INTENDED = b"1"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class TokenCookie:
    """The cookie `name` carries a token; `is_allowed` says which origins may use it to write."""

    def __init__(self, name: str, is_allowed: Callable[[bytes], bool]) -> None:
        self._name = name.encode()
        self._is_allowed = is_allowed

    def token_in(self, headers: Iterable[Header]) -> str:
        """Return the token in raw request headers. Raises TokenMissing or TokenInvalid."""
        tokens = self.tokens(b";".join(_all(headers, b"cookie")))
        if not tokens:
            raise TokenMissing
        if len(tokens) > 1:
            raise TokenInvalid("more than one cookie of the name")
        return tokens[0]

    def tokens(self, cookies: bytes) -> list[str]:
        """Return the value of every cookie of the name in a `Cookie` header."""
        pairs = (pair.strip(b" \t").partition(b"=") for pair in cookies.split(b";"))
        named = (self._name, b"=")
        return [_unquoted(pair[2]).decode("latin-1") for pair in pairs if pair[:2] == named]

    def require_intent(self, method: str, headers: Iterable[Header]) -> None:
        """Raise CsrfRequired unless the app itself makes this request, or it changes nothing."""
        if method in _SAFE:
            return
        raw = list(headers)
        origins = _all(raw, b"origin")
        meant = _all(raw, CSRF_HEADER) == [_INTENDED]
        if not meant or len(origins) > 1 or not all(map(self._is_allowed, origins)):
            raise CsrfRequired


def _all(headers: Iterable[Header], wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]


def _unquoted(value: bytes) -> bytes:
    quoted = len(value) > 1 and value.startswith(b'"') and value.endswith(b'"')
    return value[1:-1] if quoted else value
