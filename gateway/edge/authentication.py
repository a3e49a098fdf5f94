"""Authentication, and the rate limit of the caller: the first steps of a private route.

A token is read from one `Authorization` header with the scheme Bearer, in any case (RFC 6750 §2.1),
or from the configured cookie if there is no such header, or an empty one. It is never read from a
query or a body.

A request whose token has an unknown key waits for the issuer. Meanwhile it is not in flight, and
counts as a possible failure of its address (`rate_limits`). Of several tokens none waits if another
is valid: an old cookie, of a key long withdrawn, must not hold up its owner.

Cookie-authenticated writes need proof of intent (CSRF). It is checked after the token and before
the rate limit, so that pages of other origins cannot use up a caller's limit.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial

from litestar.types import ASGIApp, Middleware, Receive, Scope, Send

from gateway.rooms import (
    Caller,
    TokenExpired,
    TokenFault,
    TokenInvalid,
    TokenMissing,
    Unauthenticated,
    UpstreamUnavailable,
)

from .answers import Header
from .batch import rooms_asked_for
from .cookie import TokenCookie
from .exchange import Exchange, exchange_of
from .rate_limits import RateLimits
from .token_refusals import TokenRefusals

Waiting = Callable[[], AbstractAsyncContextManager[None]]

Authenticate = Callable[[str, Waiting], Awaitable[Caller]]
"""Return the caller of a compact token; enter the context around a wait for the issuer.

Raises TokenInvalid, TokenExpired, UpstreamUnavailable, or as the context does.
"""


def authentication(
    authenticate: Authenticate,
    limits: RateLimits,
    cookie: TokenCookie | None,
    refusals: TokenRefusals,
) -> Middleware:
    """Return a middleware that puts the caller and their token into `user` and `auth` of the scope.

    It raises Unauthenticated, CsrfRequired, RateLimited for callers and addresses past their limit,
    or Overloaded for a caller with too many requests in flight.
    """

    def middleware(app: ASGIApp) -> ASGIApp:
        async def authenticated(scope: Scope, receive: Receive, send: Send) -> None:
            exchange, headers = exchange_of(scope), scope["headers"]
            used = None if has_bearer(headers) else cookie
            waiting = partial(_waiting, limits, scope, exchange)
            try:
                tokens = used.tokens_in(headers) if used else [bearer_token(headers)]
                caller, token = await _caller_of(tokens, authenticate, waiting)
            except Unauthenticated as error:
                refusals.record(error, scope, exchange)
                await limits.count_failure(scope, exchange)
                raise
            exchange.user_id = caller.user_id
            if used:
                used.require_intent(exchange.method, headers)
            cost = rooms_asked_for(scope, exchange.method)
            await limits.admit(caller.user_id, exchange, cost)
            scope["user"], scope["auth"] = caller, token
            with exchange.in_flight.of_user(caller.user_id, exchange):
                await app(scope, receive, send)

        return authenticated

    return middleware


class _WouldWait(Exception):
    """The key of a token is unknown, and only the issuer can tell more."""


_BY_HOPE = (_WouldWait, UpstreamUnavailable, TokenExpired, Unauthenticated)
"""What may befall each of several tokens; the first of these is told."""


async def _caller_of(
    tokens: list[str], authenticate: Authenticate, waiting: Waiting
) -> tuple[Caller, str]:
    """Return the caller of all valid `tokens`, and one of these.

    Raises as `authenticate` does if none is valid.
    """
    if len(tokens) > 1:
        with suppress(_WouldWait):
            return await _one_caller(tokens, authenticate, _no_wait)
    return await _one_caller(tokens, authenticate, waiting)


async def _one_caller(
    tokens: list[str], authenticate: Authenticate, waiting: Waiting
) -> tuple[Caller, str]:
    callers: list[tuple[Caller, str]] = []
    failures: list[Exception] = []
    for token in tokens:
        try:
            callers.append((await authenticate(token, waiting), token))
        except _BY_HOPE as error:
            failures.append(error)
    if not callers:
        raise next(each for kind in _BY_HOPE for each in failures if isinstance(each, kind))
    if len({caller.user_id for caller, _ in callers}) > 1:
        raise TokenInvalid("cookies of two users", TokenFault.SEVERAL)
    return callers[0]


def _no_wait() -> AbstractAsyncContextManager[None]:
    raise _WouldWait


@asynccontextmanager
async def _waiting(limits: RateLimits, scope: Scope, exchange: Exchange) -> AsyncGenerator[None]:
    async with limits.pending(scope, exchange):
        with exchange.in_flight.away(None, exchange, exchange.method):
            yield


def has_bearer(headers: Iterable[Header]) -> bool:
    """Return True if raw `headers` have an `Authorization` with anything but an empty Bearer."""
    given = (value for name, value in headers if name == b"authorization")
    return any(value.strip(b" \t").lower() not in (b"", b"bearer") for value in given)


def bearer_token(headers: Iterable[Header]) -> str:
    """Return the token in raw `headers`. Raises TokenMissing or TokenInvalid."""
    given = [value for name, value in headers if name == b"authorization"]
    if not given:
        raise TokenMissing
    if len(given) > 1:
        raise TokenInvalid("more than one Authorization header", TokenFault.SEVERAL)
    scheme, _, token = given[0].partition(b" ")
    if scheme.lower() != b"bearer":
        raise TokenMissing
    return token.strip(b" ").decode("latin-1")
