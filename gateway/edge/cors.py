"""CORS by exact origin: the permissions of pages of other origins to read responses.

- An origin is compared byte by byte with the configured ones. They are in the form of browsers: in
  lower case, without a default port. Many pages share `null`, so it cannot be configured.
- `*` lets every page read, but never with credentials: no page can read a room by a cookie.
- With a list, every response has `Vary: Origin`, even without an `Origin` in the request. Otherwise
  a cache could give the page of one origin a response for another. If a cookie may carry the token,
  `Vary` has `Cookie` as well. Both join the `Vary` of the response.
- A preflight has no token and is answered at once for any path, so that the page can read the
  problem its request ends in. A preflight of another origin gets 204 without a permission; browsers
  take that as a refusal.
"""

from collections.abc import Collection, Mapping, Sequence

from litestar.types import Message, Send

from .answers import Answer, Header

ANY = "*"

_REQUEST_HEADERS = (
    b"Authorization, Content-Type, Idempotency-Key, If-None-Match, X-Gateway-CSRF, "
    b"X-Request-Id, traceparent, tracestate"
)
_RESPONSE_HEADERS = (
    b"Cache-Status, ETag, Idempotency-Replayed, Location, RateLimit-Limit, "
    b"RateLimit-Remaining, RateLimit-Reset, Retry-After, WWW-Authenticate, X-Request-Id"
)
_PERMISSION = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, DELETE"),
    (b"access-control-allow-headers", _REQUEST_HEADERS),
    (b"access-control-max-age", b"7200"),  # seconds; the longest that Chromium keeps it
)
_EXPOSED = (b"access-control-expose-headers", _RESPONSE_HEADERS)
_CREDENTIALS = (b"access-control-allow-credentials", b"true")


class Cors:
    """Lets pages of `origins` read responses, with `credentials` also after a sign-in by cookie.

    `origins` are exact, or `*` alone. Without any, no page of another origin may read.
    """

    def __init__(self, origins: Collection[str], *, credentials: bool) -> None:
        if credentials and ANY in origins:
            raise ValueError("a cookie needs exact origins")
        shared = (_EXPOSED, _CREDENTIALS) if credentials else (_EXPOSED,)
        self._listed: Mapping[bytes, tuple[Header, ...]] = {
            each.encode(): (_allow(each.encode()), *shared) for each in origins if each != ANY
        }
        self._others = (_allow(b"*"), *shared) if ANY in origins else ()
        vary = {b"Origin": self._listed, b"Cookie": credentials}
        self._vary = tuple(name for name, applies in vary.items() if applies)

    def lists(self, origin: bytes) -> bool:
        """Return True for a configured origin."""
        return origin in self._listed

    def preflight(
        self, method: str, headers: Mapping[bytes, bytes], origin: bytes | None
    ) -> Answer | None:
        """Return the answer to a preflight; None for any other request, and with no origins."""
        if method != "OPTIONS" or b"access-control-request-method" not in headers:
            return None
        if origin is None or not (self._listed or self._others):
            return None
        return Answer(204, _PERMISSION if self._granted(origin) else ())

    def wrap(self, send: Send, origin: bytes | None) -> Send:
        """Return a `send` that adds the permissions of `origin` to a response."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = (*message["headers"], *self._granted(origin))
                message["headers"] = varying(headers, self._vary)
            await send(message)

        return marked

    def _granted(self, origin: bytes | None) -> tuple[Header, ...]:
        return self._others if origin is None else self._listed.get(origin, self._others)


def varying(headers: Sequence[Header], names: Sequence[bytes]) -> tuple[Header, ...]:
    """Return response `headers` whose one `Vary` has `names` as well."""
    if not names:
        return tuple(headers)
    given = [value for name, value in headers if name == b"vary"]
    others = (each for each in headers if each[0] != b"vary")
    return (*others, (b"vary", b", ".join([*given, *names])))


def _allow(origin: bytes) -> Header:
    return (b"access-control-allow-origin", origin)
