"""The short way: a room lookup that memory alone can answer, before any routing.

It answers only what the long way would answer in the same words: a GET of a room by a caller whose
token is remembered as verified, where the room is remembered too and is not the caller's own.
Everything else, whatever is odd about it, takes the long way. Both end in `answers.found`.
"""

from collections.abc import Callable

from litestar.types import HTTPScope

from gateway.rooms import Caller, RoomService

from . import answers

_PATH = "/v1/rooms/"
_BEARER = b"Bearer "


class RoomRecall:
    """Recalls rooms from `rooms` for the callers that `recall_caller` knows by their token."""

    def __init__(self, rooms: RoomService, recall_caller: Callable[[str], Caller | None]) -> None:
        self._rooms = rooms
        self._recall_caller = recall_caller

    def __call__(self, scope: HTTPScope, request_id: str) -> answers.Answer | None:
        """Return the answer to a request, where memory has it.

        Raises RoomNotFound for a room that is remembered as unknown.
        """
        path = scope["path"]
        if scope["method"] != "GET" or not path.startswith(_PATH):
            return None
        authorization: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                if authorization is not None:
                    return None
                authorization = value
        if authorization is None or not authorization.startswith(_BEARER):
            return None
        caller = self._recall_caller(authorization[len(_BEARER) :].decode("latin-1"))
        if caller is None:
            return None
        seen = self._rooms.recall(caller, path[len(_PATH) :], request_id)
        if seen is None:
            return None
        scope["path_template"] = "/v1/rooms/{live_id}"
        return answers.found(seen, answers.condition_in(scope["headers"]))
