"""The vendor's JSON, decoded strictly and repaired into the domain's shapes.

Required are only the fields that name a room; builds differ in the others. Repairs: `extends`
null → `{}`; an unset `start_time` or `end_time` → None. Unset is 0, or Go's zero time (the epoch
second of year 1), in seconds or, from some builds, in milliseconds.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Raw, Struct

from gateway.rooms import LIVE_ID, Anchor, AnchorRoom, NewRoom
from gateway.secret import Secret

from .faults import Broken

LiveId = Annotated[str, Meta(pattern=rf"\A{LIVE_ID}\Z")]

_TIME = "%Y-%m-%d %H:%M:%S"
_UNSET_TIMES = frozenset({0, -62135596800, -62135596800000})


class Envelope(Struct, frozen=True):
    """The wrapper of every reply; `data` stays encoded until it is needed."""

    code: int
    request_id: str = ""
    message: str = ""
    data: Raw = Raw(b"null")


class AnchorData(Struct, frozen=True):
    """`anchor_info` of a room."""

    user_id: str
    im_userid: int = 0
    nick: str = ""
    avatar: str = ""
    extends: Mapping[str, str] | None = None


class RoomData(Struct, frozen=True):
    """A room as the vendor sends it; unknown fields are skipped."""

    live_id: LiveId
    anchor_info: AnchorData
    live_status: int
    title: str = ""
    notice: str = ""
    cover_url: str = ""
    extends: Mapping[str, str] | None = None
    anchor_status: int = 0
    pk_id: str = ""
    online_count: int = 0
    start_time: int = 0
    end_time: int = 0
    chat_id: int = 0
    push_url: Secret = Secret("")
    hls_url: str = ""
    rtmp_url: str = ""
    flv_url: str = ""
    pv: int = 0
    uv: int = 0


def _secret(_: type, text: object) -> Secret:
    if not isinstance(text, str):
        raise TypeError("expected a string")
    return Secret(text)


_envelopes = msgspec.json.Decoder(Envelope)
_rooms = msgspec.json.Decoder(RoomData, dec_hook=_secret)


def decode_envelope(body: bytes) -> Envelope | None:
    """Return the envelope in `body`, or None without one."""
    try:
        return _envelopes.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def decode_this_room(live_id: str, data: Raw) -> AnchorRoom:
    """Return the room in an envelope's `data`; raise Broken unless it is the one asked for."""
    room = decode_room(data)
    if room.live_id != live_id:
        raise Broken("the reply is about another room")
    return room


def decode_room_of(anchor_id: str, data: Raw) -> AnchorRoom:
    """Return the room in an envelope's `data`; raise Broken unless it is this anchor's."""
    room = decode_room(data)
    if room.anchor_info.user_id != anchor_id:
        raise Broken("the reply is about another anchor's room")
    return room


def decode_room(data: Raw) -> AnchorRoom:
    """Return the room in an envelope's `data`; raise Broken without one."""
    try:
        room = _rooms.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Broken("the room in the reply cannot be read") from None  # the cause may quote it
    anchor = room.anchor_info
    return AnchorRoom(
        live_id=room.live_id,
        title=room.title,
        notice=room.notice,
        cover_url=room.cover_url,
        extends=room.extends or {},
        anchor_info=Anchor(
            user_id=anchor.user_id,
            im_userid=anchor.im_userid,
            nick=anchor.nick,
            avatar=anchor.avatar,
            extends=anchor.extends or {},
        ),
        anchor_status=room.anchor_status,
        pk_id=room.pk_id,
        online_count=room.online_count,
        start_time=_set_time(room.start_time),
        end_time=_set_time(room.end_time),
        chat_id=room.chat_id,
        push_url=room.push_url,
        hls_url=room.hls_url,
        rtmp_url=room.rtmp_url,
        flv_url=room.flv_url,
        pv=room.pv,
        uv=room.uv,
        live_status=room.live_status,
    )


def encode_create(room: NewRoom, zone: ZoneInfo) -> bytes:
    """Return the JSON body of a create, its times as `YYYY-MM-DD HH:MM:SS` in `zone`.

    The upstream takes the fields of a NewRoom by their own names; those that are None are left out.
    """
    fields = {
        name: value.astimezone(zone).strftime(_TIME) if isinstance(value, datetime) else value
        for name, value in msgspec.structs.asdict(room).items()
        if value is not None
    }
    return msgspec.json.encode(fields)


def _set_time(seconds: int) -> int | None:
    return None if seconds in _UNSET_TIMES else seconds
