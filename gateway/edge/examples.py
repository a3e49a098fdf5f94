"""The examples of the OpenAPI document; a test holds them against its schemas."""

from typing import Any

import msgspec

from gateway.rooms import Anchor, ViewerRoom

from .problems import PROBLEMS

Json = dict[str, Any]

ROOM = ViewerRoom(
    live_id="1580203311927304192",
    title="Friday session",
    notice="Starts at eight",
    cover_url="https://example.com/cover.png",
    extends={"season": "2"},
    anchor_info=Anchor(
        user_id="alice",
        im_userid=9007199254740993,
        nick="Alice",
        avatar="https://example.com/alice.png",
        extends={},
    ),
    anchor_status=1,
    pk_id="",
    online_count=3,
    start_time=1791633600,
    end_time=None,
    chat_id=9007199254740995,
    hls_url="https://play.example.com/live/room.m3u8",
    rtmp_url="rtmp://play.example.com/live/room",
    flv_url="https://play.example.com/live/room.flv",
    pv=1003,
    uv=934,
    live_status=1,
)


def room_examples() -> Json:
    """Return a room in both shapes."""
    return {
        "viewer": {"summary": "To anyone else", "value": msgspec.to_builtins(ROOM)},
        "anchor": {"summary": "To the room's anchor", "value": _anchor_room()},
    }


def new_room_example() -> Json:
    """Return the body of a create."""
    return {
        "title": "Friday session",
        "notice": "Starts at eight",
        "extends": {"season": "2"},
        "end_at": "2030-12-02T23:00:00+08:00",
    }


def problem_example(code: str) -> Json:
    """Return the problem that has `code`."""
    problem = PROBLEMS[code]
    example = {
        "type": f"urn:gateway:problem:{code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": code,
        "request_id": "2f1c7a5e9b0d4c68",
    }
    if code == "invalid_request":
        example["errors"] = [{"field": "title", "message": "required"}]
    return example


def _anchor_room() -> Json:
    push_url = "rtmp://push.example.com/live/room?token=only-for-its-anchor"
    return {**msgspec.to_builtins(ROOM), "push_url": push_url}
