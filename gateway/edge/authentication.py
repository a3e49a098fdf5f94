"""Who is calling, and whether so often: the first thing that is asked of a request.

One `Authorization` header with the scheme Bearer, in any case, and one token (RFC 6750 §2.1).
A token in the query or the body is not looked for.
"""

from collections.abc import Awaitable, Callable, Iterable

from litestar.types import ASGIApp, Middleware, Receive, Scope, Send

from gateway.rooms import Caller, TokenInvalid, TokenMissing, Unauthenticated

from .exchange import exchange_of
from .rate_limits import RateLimits

Authenticate = Callable[[str], Awaitable[Caller]]
"""Turns a compact token into its caller. Raises TokenInvalid or TokenExpired."""


def authentication(authenticate: Authenticate, limits: RateLimits) -> Middleware:
    """Return a middleware that puts the caller into `scope["user"]`.

    It raises Unauthenticated, or RateLimited for callers and addresses that are past their limit.
    """

    def middleware(app: ASGIApp) -> ASGIApp:
        async def authenticated(scope: Scope, receive: Receive, send: Send) -> None:
            exchange = exchange_of(scope)
            try:
                caller = await authenticate(bearer_token(scope["headers"]))
            except Unauthenticated:
                limits.count_failure(scope, exchange)
                raise
            limits.admit(caller.user_id, exchange)
            scope["user"] = caller
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
