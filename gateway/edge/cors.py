"""CORS: the permissions of pages of other origins to read responses.

- An origin is compared byte by byte with the configured ones. They are in the form of browsers: in
  lower case, without a default port. Many pages share `null`, so it cannot be configured.
- `https://*.example.com` stands for every origin with one label in place of the asterisk.
- `*` lets every page read, but never with credentials: no page can read a room by a cookie.
- With a list, every response has `Vary: Origin`, even without an `Origin` in the request. Otherwise
  a cache could give the page of one origin a response for another. If a cookie may carry the token,
  `Vary` has `Cookie` as well. Both join the `Vary` of the response.
- A preflight has no token and is answered at once for any path, so that the page can read the
  problem its request ends in. A preflight of another origin gets 204 without a permission; browsers
  take that as a refusal.
- A preflight permits whatever well-formed headers it asks for: scripts that watch a page's requests
  add their own, and a header that nobody reads does nothing. A name with an asterisk is none of
  these: `*` would permit every header, for as long as browsers keep the answer.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from litestar.types import Message, Send

from .answers import Answer, Header

ANY = "*"

_ANY_LABEL = "://*."
_LABEL = rb"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"

_HEADER_NAME = rb"[!#$%&'+.^_`|~0-9A-Za-z-]{1,64}"
_HEADER_NAMES = re.compile(rb"%b(?:[ \t]*,[ \t]*%b){0,63}" % (_HEADER_NAME, _HEADER_NAME))
_LONGEST_NAMES = 4096
_RESPONSE_HEADERS = (
    b"Cache-Status, ETag, Idempotency-Replayed, Location, RateLimit-Limit, "
    b"RateLimit-Remaining, RateLimit-Reset, Retry-After, WWW-Authenticate, X-Request-Id"
)
_PERMISSION = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, DELETE"),
    (b"access-control-max-age", b"7200"),  # seconds; the longest that Chromium keeps it
)
_VARY_BY_HEADERS = (b"vary", b"Access-Control-Request-Headers")
_EXPOSED = (b"access-control-expose-headers", _RESPONSE_HEADERS)
_CREDENTIALS = (b"access-control-allow-credentials", b"true")


class Cors:
    """Lets pages of `origins` read responses, with `credentials` also after a sign-in by cookie.

    `origins` are as GATEWAY_CORS_ORIGINS gives them. Without any, no page of another origin may
    read.
    """

    def __init__(self, origins: Collection[str], *, credentials: bool) -> None:
        if credentials and ANY in origins:
            raise ValueError("a cookie needs listed origins")
        self._shared = (_EXPOSED, _CREDENTIALS) if credentials else (_EXPOSED,)
        listed = [each for each in origins if each != ANY]
        self._exact = frozenset(each.encode() for each in listed if _ANY_LABEL not in each)
        self._patterns = tuple(_pattern(each) for each in listed if _ANY_LABEL in each)
        self._others = (_allow(b"*"), *self._shared) if ANY in origins else ()
        self._asked = bool(origins)
        vary = {b"Origin": listed, b"Cookie": credentials}
        self._vary = tuple(name for name, applies in vary.items() if applies)

    def lists(self, origin: bytes) -> bool:
        """Return True for a configured origin."""
        return origin in self._exact or any(each.fullmatch(origin) for each in self._patterns)

    def preflight(
        self, method: str, headers: Mapping[bytes, bytes], origin: bytes | None
    ) -> Answer | None:
        """Return the answer to a preflight; None for any other request, and with no origins."""
        if method != "OPTIONS" or b"access-control-request-method" not in headers:
            return None
        if origin is None or not self._asked:
            return None
        if not self._granted(origin):
            return Answer(204, (_VARY_BY_HEADERS,))
        wanted = headers.get(b"access-control-request-headers", b"")
        names = ((b"access-control-allow-headers", wanted),) if _are_names(wanted) else ()
        return Answer(204, (*_PERMISSION, *names, _VARY_BY_HEADERS))

    def wrap(self, send: Send, origin: bytes | None) -> Send:
        """Return a `send` that adds the permissions of `origin` to a response."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self.permit(message["headers"], origin)
            await send(message)

        return marked

    def permit(self, headers: Iterable[Header], origin: bytes | None) -> tuple[Header, ...]:
        """Return response `headers` with the permissions of `origin`."""
        return varying((*headers, *self._granted(origin)), self._vary)

    def _granted(self, origin: bytes | None) -> tuple[Header, ...]:
        if origin is not None and self.lists(origin):
            return (_allow(origin), *self._shared)
        return self._others


def varying(headers: Sequence[Header], names: Sequence[bytes]) -> tuple[Header, ...]:
    """Return response `headers` whose one `Vary` has `names` as well."""
    if not names:
        return tuple(headers)
    given = [value for name, value in headers if name == b"vary"]
    others = (each for each in headers if each[0] != b"vary")
    return (*others, (b"vary", b", ".join([*given, *names])))


def _pattern(origin: str) -> re.Pattern[bytes]:
    scheme, domain = origin.encode().split(_ANY_LABEL.encode())
    return re.compile(rb"%b://%b\.%b" % (re.escape(scheme), _LABEL, re.escape(domain)))


def _are_names(text: bytes) -> bool:
    return len(text) <= _LONGEST_NAMES and _HEADER_NAMES.fullmatch(text) is not None


def _allow(origin: bytes) -> Header:
    return (b"access-control-allow-origin", origin)
