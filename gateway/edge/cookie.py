"""A token in a cookie, for web apps that keep tokens away from scripts.

Browsers send a cookie with any request to its site, even from pages of other origins. So
cookie-authenticated writes need proof of intent (`require_intent`). A form cannot send the header
`X-Gateway-CSRF: 1`, and a script of another origin can only after a preflight, which CORS refuses.
Browsers put `Origin` on every such request. It must be a configured origin, and that includes the
app's own: behind a proxy the gateway does not know its public origin. If there is none, something
on the way has removed it, and only `Sec-Fetch-Site: same-origin` proves as much.

The header is read as in RFC 6265 §4.2: pairs between semicolons, in one header or several, with or
without quotes around the value. Cookies of other services may have any form.

A long token may come in chunks: `name.0`, `name.1` and so on, as Auth.js and Supabase write them.
An old cookie of another path, or one in chunks beside one that is whole, makes several candidates:
any valid one counts. Browsers send the cookies of one path together (RFC 6265 §5.4), so a repeated
chunk begins another token. A neighbouring subdomain can plant a valid token of another user. Valid
tokens of two users are refused, but where the planted one alone is valid, it signs in. A name that
begins with `__Host-` prevents that.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import count, takewhile

from gateway.rooms import TokenFault, TokenInvalid, TokenMissing

from .answers import Header
from .problems import CsrfRequired

CSRF_HEADER = b"x-gateway-csrf"

_MOST_TOKENS = 4
"""Different tokens of one request that are verified."""

_MOST_CHUNKS = 8
"""Chunks of a token; browsers keep 4 KB in a cookie, and a token has 8 KB at most."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class TokenCookie:
    """The cookie `name` carries a token; only an origin that `is_allowed` may use it to write."""

    def __init__(self, name: str, is_allowed: Callable[[bytes], bool]) -> None:
        chunks = {f"{name}.{number}".encode(): number for number in range(_MOST_CHUNKS)}
        self._places: Mapping[bytes, int | None] = {name.encode(): None, **chunks}
        self._is_allowed = is_allowed

    def tokens_in(self, headers: Iterable[Header]) -> list[str]:
        """Return the tokens in raw request headers. Raises TokenMissing or TokenInvalid."""
        tokens = self.tokens(b";".join(_all(headers, b"cookie")))
        if not tokens:
            raise TokenMissing
        if len(tokens) > _MOST_TOKENS:
            raise TokenInvalid(f"more than {_MOST_TOKENS} cookies", TokenFault.SEVERAL)
        return tokens

    def tokens(self, cookies: bytes) -> list[str]:
        """Return the tokens in a `Cookie` header, each once: whole ones, then those in chunks."""
        tokens: list[bytes] = []
        parts: list[dict[int, bytes]] = []
        for pair in cookies.split(b";"):
            name, is_pair, value = pair.strip(b" \t").partition(b"=")
            if name not in self._places or not is_pair:
                continue
            place = self._places[name]
            if place is None:
                tokens.append(_unquoted(value))
            elif parts and place not in parts[-1]:
                parts[-1][place] = _unquoted(value)
            else:
                parts.append({place: _unquoted(value)})
        if parts:
            tokens += filter(None, map(_joined, parts))
        return [token.decode("latin-1") for token in dict.fromkeys(tokens)]

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


def _joined(chunks: Mapping[int, bytes]) -> bytes:
    """Join chunks from the first one to the first that is missing."""
    return b"".join(chunks[number] for number in takewhile(chunks.__contains__, count()))
