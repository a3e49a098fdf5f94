"""Who is calling, and whether so often: the first thing that is asked of a request.

One `Authorization` header with the scheme Bearer, in any case, and one token (RFC 6750 §2.1).
A token in the query or the body is not looked for; one in a cookie only where a cookie is named for
it and no `Authorization` is sent.

A write that a cookie signs in must be meant. That is asked of those who are signed in, and before
their limit: pages of other origins cannot use it up.
"""

from collections.abc import Awaitable, Callable, Iterable

from litestar.types import ASGIApp, Middleware, Receive, Scope, Send

from gateway.rooms import Caller, TokenInvalid, TokenMissing, Unauthenticated

from .answers import Header
from .cookie import TokenCookie
from .exchange import exchange_of
from .rate_limits import RateLimits

Authenticate = Callable[[str], Awaitable[Caller]]
"""Turns a compact token into its caller. Raises TokenInvalid or TokenExpired."""


def authentication(
    authenticate: Authenticate, limits: RateLimits, cookie: TokenCookie | None
) -> Middleware:
    """Return a middleware that puts the caller into `scope["user"]`.

    It raises Unauthenticated, CsrfRequired, or RateLimited for callers and addresses that are past
    their limit.
    """

    def middleware(app: ASGIApp) -> ASGIApp:
        async def authenticated(scope: Scope, receive: Receive, send: Send) -> None:
            exchange, headers = exchange_of(scope), scope["headers"]
            used = None if _has_authorization(headers) else cookie
            try:
                token = used.token_in(headers) if used else bearer_token(headers)
                caller = await authenticate(token)
            except Unauthenticated:
                await limits.count_failure(scope, exchange)
                raise
            exchange.user_id = caller.user_id
            if used:
                used.require_intent(exchange.method, headers)
            await limits.admit(caller.user_id, exchange)
            scope["user"] = caller
            await app(scope, receive, send)

        return authenticated

    return middleware


def bearer_token(headers: Iterable[Header]) -> str:
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


def _has_authorization(headers: Iterable[Header]) -> bool:
    return any(name == b"authorization" for name, _ in headers)
