"""A batch: the rooms that one request asks for, once each."""

from litestar.types import Scope

from gateway.rooms import FieldProblem, InvalidRequest, is_live_id

from .paths import ROOMS
from .query import values_in

MAX_BATCH = 50
"""Rooms one batch may ask for."""


def batch_in(query: bytes) -> list[str]:
    """Return the ids in a raw query once each, in order; raise InvalidRequest for a bad one."""
    live_ids = values_in(query, "id")
    if not 1 <= len(live_ids) <= MAX_BATCH:
        raise InvalidRequest(FieldProblem("id", f"give 1 to {MAX_BATCH} of them"))
    return [checked(live_id, "id") for live_id in dict.fromkeys(live_ids)]


def checked(live_id: str, field: str = "live_id") -> str:
    """Return a well-formed room id; raise InvalidRequest for anything else in `field`."""
    if not is_live_id(live_id):
        problem = "must be 1 to 64 of the characters A-Z a-z 0-9 _ -"
        raise InvalidRequest(FieldProblem(field, problem))
    return live_id


def rooms_asked_for(scope: Scope, method: str) -> int:
    """Return the number of rooms that a routed request reads: 1, unless it is a valid batch."""
    if scope["path_template"] != ROOMS or method != "GET":
        return 1
    try:
        return len(batch_in(scope["query_string"]))
    except InvalidRequest:
        return 1
