"""A token in a cookie, for web apps that keep tokens away from scripts.

Browsers send a cookie with any request to its site, even from pages of other origins. So
cookie-authenticated writes need proof of intent (`require_intent`). A form cannot send the header
`X-Gateway-CSRF: 1`, and a script of another origin can only after a preflight, which CORS refuses.
Browsers put `Origin` on every such request. It must be a configured origin, and that includes the
app's own: behind a proxy the gateway does not know its public origin. If there is none, something
on the way has removed it, and only `Sec-Fetch-Site: same-origin` proves as much.

The header is read as in RFC 6265 §4.2: pairs between semicolons, in one header or several, with or
without quotes around the value. Cookies of other services may have any form. Two cookies of the
name are refused, because a neighbouring subdomain can plant the second one. A name that begins
with `__Host-` prevents that.
"""

from collections.abc import Callable, Iterable

from gateway.rooms import TokenInvalid, TokenMissing

from .answers import Header
from .problems import CsrfRequired

CSRF_HEADER = b"x-gateway-csrf"

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class TokenCookie:
    """The cookie `name` carries a token; only an origin that `is_allowed` may use it to write."""

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
        """Raise CsrfRequired for a write without proof that a page of the app sent it."""
        if method in _SAFE:
            return
        raw = list(headers)
        if _all(raw, CSRF_HEADER) != [b"1"] or not self._is_from_the_app(raw):
            raise CsrfRequired

    def _is_from_the_app(self, headers: list[Header]) -> bool:
        origins = _all(headers, b"origin")
        if not origins:
            return _all(headers, b"sec-fetch-site") == [b"same-origin"]
        return len(origins) == 1 and self._is_allowed(origins[0])


def _all(headers: Iterable[Header], wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]


def _unquoted(value: bytes) -> bytes:
    quoted = len(value) > 1 and value.startswith(b'"') and value.endswith(b'"')
    return value[1:-1] if quoted else value
