"""The routes of an operator, on the private listener.

A token of their own admits to them: without it nothing is told, not even that a path is unknown.
User ids and `jti`s are percent-encoded in the path, also their slashes. Users and tokens are logged
as hashes, rooms by their id.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from urllib.parse import unquote

from litestar.exceptions import HTTPException, MethodNotAllowedException
from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from gateway.rooms import (
    FieldProblem,
    GatewayError,
    InvalidRequest,
    OperatorOrders,
    TokenInvalid,
    is_token_id,
    is_user_id,
)
from gateway.secret import Secret
from gateway.telemetry import PrivateRequest

from . import answers
from .answers import NO_STORE, Answer
from .authentication import bearer_token
from .batch import checked
from .bodies import parse_refusal
from .exchange import NOSNIFF
from .problems import BodyTooLarge, NotFound, render
from .room_handlers import require_json

_LONGEST_PATH = 2048
"""Characters of a path as sent; one with a user id of 512 bytes, all encoded, has 1,600."""

_PART = re.compile(r"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")

_Answer = Callable[[PrivateRequest, str], Answer]


class RefusedUser(Struct, frozen=True):
    """A user that is refused."""

    user_id: str
    until: datetime


class RefusedToken(Struct, frozen=True):
    """A token that is refused."""

    jti: str
    until: datetime


class RefusalList(Struct, frozen=True):
    """All that are refused."""

    users: list[RefusedUser]
    tokens: list[RefusedToken]


class AdminHandlers(Struct, frozen=True):
    """Answers an operator who has `token`, None for nobody, and passes on `orders`.

    `hashed` returns the log's name of a user or token, `clock` the time with an offset, `new_id` a
    request id.
    """

    orders: OperatorOrders
    token: Callable[[], Secret | None]
    log: FilteringBoundLogger
    hashed: Callable[[str], str | None]
    clock: Callable[[], datetime]
    new_id: Callable[[], str]

    def __call__(self, request: PrivateRequest) -> Answer:
        """Return the answer; to a HEAD the one to a GET, without its body."""
        request_id = self.new_id()
        try:
            answer = self._answer(request, request_id)
        except Exception as error:
            if not isinstance(error, GatewayError | HTTPException):
                self.log.exception("request_failed", request_id=request_id)
            answer = render(error, request_id)
        headers = (*answer.headers, (b"x-request-id", request_id.encode()), NOSNIFF)
        return Answer(answer.status, headers, b"" if request.method == "HEAD" else answer.body)

    def _answer(self, request: PrivateRequest, request_id: str) -> Answer:
        self._require_operator(request)
        methods = self._methods(request.path)
        answer = methods.get("GET" if request.method == "HEAD" else request.method)
        if answer is None:
            raise MethodNotAllowedException(headers={"allow": ", ".join(methods)})
        return answer(request, request_id)

    def _require_operator(self, request: PrivateRequest) -> None:
        """Compare the tokens in constant time. Raises TokenMissing or TokenInvalid."""
        given, token = bearer_token(request.headers), self.token()
        if token is None or Secret(given) != token:
            raise TokenInvalid("not the operator's token")

    def _methods(self, path: str) -> Mapping[str, _Answer]:
        """Return the methods of a path; raise NotFound."""
        match path.split("/") if len(path) <= _LONGEST_PATH else ():
            case "", "admin", "rooms", part:
                return {"DELETE": partial(self._evict, part)}
            case "", "admin", "refusals":
                return {"GET": self._list}
            case "", "admin", "refusals", part:
                put, delete = self._refuse_user, self._allow_user
                return {"PUT": partial(put, part), "DELETE": partial(delete, part)}
            case "", "admin", "refused-tokens", part:
                put, delete = self._refuse_token, self._allow_token
                return {"PUT": partial(put, part), "DELETE": partial(delete, part)}
        raise NotFound

    def _evict(self, part: str, _: PrivateRequest, request_id: str) -> Answer:
        live_id = checked(part)
        self.orders.evict(live_id)
        self.log.info("admin_room_evicted", request_id=request_id, live_id=live_id)
        return answers.done()

    def _list(self, _: PrivateRequest, _request_id: str) -> Answer:
        refusals = self.orders.in_force()
        users = [RefusedUser(name, _time(until)) for name, until in refusals.users.items()]
        tokens = [RefusedToken(name, _time(until)) for name, until in refusals.tokens.items()]
        return answers.json(RefusalList(users, tokens), NO_STORE)

    def _refuse_user(self, part: str, request: PrivateRequest, request_id: str) -> Answer:
        user_id, until = _user_id(part), self._until(request)
        shared = self.orders.refuse("users", user_id, until)
        caller, end = self.hashed(user_id), _time(until).isoformat()
        self.log.info(
            "admin_user_refused",
            request_id=request_id,
            caller=caller,
            until=end,
            shared=shared,
        )
        return answers.done()

    def _allow_user(self, part: str, _: PrivateRequest, request_id: str) -> Answer:
        user_id = _user_id(part)
        shared, caller = self.orders.allow("users", user_id), self.hashed(user_id)
        self.log.info("admin_user_allowed", request_id=request_id, caller=caller, shared=shared)
        return answers.done()

    def _refuse_token(self, part: str, request: PrivateRequest, request_id: str) -> Answer:
        token_id, until = _token_id(part), self._until(request)
        shared = self.orders.refuse("tokens", token_id, until)
        token, end = self.hashed(token_id), _time(until).isoformat()
        self.log.info(
            "admin_token_refused",
            request_id=request_id,
            token=token,
            until=end,
            shared=shared,
        )
        return answers.done()

    def _allow_token(self, part: str, _: PrivateRequest, request_id: str) -> Answer:
        token_id = _token_id(part)
        shared, token = self.orders.allow("tokens", token_id), self.hashed(token_id)
        self.log.info("admin_token_allowed", request_id=request_id, token=token, shared=shared)
        return answers.done()

    def _until(self, request: PrivateRequest) -> float:
        require_json(request.headers)
        if any(name == b"transfer-encoding" for name, _ in request.headers):
            raise InvalidRequest(FieldProblem("Content-Length", "required"))
        if request.body is None:
            raise BodyTooLarge
        return parse_refusal(request.body, self.clock())


def _user_id(part: str) -> str:
    problem = "must be a user id, percent-encoded"
    return _decoded(part, is_user_id, FieldProblem("user_id", problem))


def _token_id(part: str) -> str:
    problem = "must be 1 to 256 visible ASCII characters, percent-encoded"
    return _decoded(part, is_token_id, FieldProblem("jti", problem))


def _decoded(part: str, is_valid: Callable[[str], bool], problem: FieldProblem) -> str:
    """Return the text of a percent-encoded part of a path; raise InvalidRequest with `problem`."""
    try:
        text = unquote(part, errors="strict") if _PART.fullmatch(part) else ""
    except UnicodeDecodeError:
        text = ""
    if not is_valid(text):
        raise InvalidRequest(problem)
    return text


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
