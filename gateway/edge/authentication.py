"""Who is calling: the bearer token of a request, verified before anything else is looked at.

One `Authorization` header with the scheme Bearer, in any case, and one token (RFC 6750 §2.1).
A token in the query or the body is not looked for.
"""

from collections.abc import Awaitable, Callable, Iterable

from litestar.types import ASGIApp, Middleware, Receive, Scope, Send

from gateway.rooms import Caller, TokenInvalid, TokenMissing

Authenticate = Callable[[str], Awaitable[Caller]]
"""Turns a compact token into its caller. Raises TokenInvalid or TokenExpired."""


def authentication(authenticate: Authenticate) -> Middleware:
    """Return a middleware that puts the caller into `scope["user"]` or raises Unauthenticated."""

    def middleware(app: ASGIApp) -> ASGIApp:
        async def authenticated(scope: Scope, receive: Receive, send: Send) -> None:
            scope["user"] = await authenticate(bearer_token(scope["headers"]))
            await app(scope, receive, send)

        return authenticated

    return middleware


def bearer_token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the token in raw `headers`. Raises TokenMissing or TokenInvalid."""
    given = [value for name, value in headers if name == b"authorization"]
    if not given:
        raise TokenMissing
    if len(given) > 1:
        raise TokenInvalid("more than one Authorization header")
    scheme, _, token = given[0].partition(b" ")
    if scheme.lower() != b"bearer":
        raise TokenMissing
    return token.strip(b" ").decode("latin-1")
