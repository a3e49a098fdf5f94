"""The vendor's JSON, decoded strictly, or leniently where that fails, into the domain's shapes.

Only the fields that identify a room must be right: its id and its anchor's. Any other that is not
becomes empty and is named, see `repair`. Every documented field is required of the strict decoder,
so that a missing one is named too; `anchor_status` has a default, because builds up to v0.2.0 have
no such field. `extends` is null in all builds when never set, and a time is unset at 0 or at Go's
zero time (the epoch second of year 1), in seconds or, from some builds, in milliseconds.

Each room is searched for repeats of its `push_url` here, where it enters, see `repeats`.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Raw, Struct

from gateway.rooms import LIVE_ID, UNREADABLE_PUSH_URL, Anchor, AnchorRoom, NewRoom
from gateway.secret import Secret

from .faults import Broken
from .repair import parse, read_text, reader, whole_number
from .repeats import stand_in, without_repeats

LiveId = Annotated[str, Meta(pattern=rf"\A{LIVE_ID}\Z")]
UserId = Annotated[str, Meta(min_length=1)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Extends = Mapping[str, str] | None

_TIME = "%Y-%m-%d %H:%M:%S"
_UNSET_TIMES = frozenset({0, -62135596800, -62135596800000})


class Envelope(Struct, frozen=True):
    """The wrapper of every reply; `data` stays encoded until it is needed."""

    code: Int64
    request_id: str = ""
    message: str = ""
    data: Raw = Raw(b"null")


class AnchorData(Struct, frozen=True):
    """`anchor_info` of a room."""

    user_id: UserId
    im_userid: Int64
    nick: str
    avatar: str
    extends: Extends


class RoomData(Struct, frozen=True):
    """A room as the vendor sends it; unknown fields are skipped."""

    live_id: LiveId
    anchor_info: AnchorData
    live_status: Int64
    title: str
    notice: str
    cover_url: str
    extends: Extends
    pk_id: str
    online_count: Int64
    start_time: Int64
    end_time: Int64
    chat_id: Int64
    push_url: Secret
    hls_url: str
    rtmp_url: str
    flv_url: str
    pv: Int64
    uv: Int64
    anchor_status: Int64 = 0


class DecodedRoom(Struct, frozen=True):
    """A room, and the names of its fields that were `repaired` or that `repeated` its key."""

    room: AnchorRoom
    repeated: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()


def _secret(_: type, text: object) -> Secret:
    if not isinstance(text, str):
        raise TypeError("expected a string")
    return Secret(text)


def _secret_if_any(_: type, text: object) -> Secret:
    return Secret(text) if isinstance(text, str) else UNREADABLE_PUSH_URL


_envelopes = msgspec.json.Decoder(Envelope)
_rooms = msgspec.json.Decoder(RoomData, dec_hook=_secret)
_read_room = reader(RoomData)
_as_room = partial(msgspec.convert, type=RoomData, dec_hook=_secret_if_any)


def decode_envelope(body: bytes) -> Envelope | None:
    """Return the envelope in `body`, or None without one; only `code` must be right."""
    try:
        return _envelopes.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _repaired_envelope(body)


def decode_this_room(live_id: str, data: Raw) -> DecodedRoom:
    """Return the room in an envelope's `data`; raise Broken unless it is the one asked for."""
    decoded = decode_room(data)
    if decoded.room.live_id != live_id:
        raise Broken("the reply is about another room")
    return decoded


def decode_room_of(anchor_id: str, data: Raw) -> DecodedRoom:
    """Return the room in the `data` of a create; raise Broken unless it is whole and this anchor's.

    Whole is a room with a `push_url`: its anchor waits for it.
    """
    decoded = decode_room(data)
    if decoded.room.anchor_info.user_id != anchor_id:
        raise Broken("the reply is about another anchor's room")
    if decoded.room.push_url is UNREADABLE_PUSH_URL:
        raise Broken("the reply has no push_url")
    return decoded


def decode_room(data: Raw) -> DecodedRoom:
    """Return the room in an envelope's `data`; raise Broken without one."""
    try:
        sent = _rooms.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        sent = None
    if sent is None:  # outside of `except`: an error in there would carry the data in its context
        return _repaired_room(bytes(data))
    room = _in_domain(sent)
    return DecodedRoom(*without_repeats(room, room.push_url.reveal()))


def _repaired_envelope(body: bytes) -> Envelope | None:
    fields = parse(body) or {}
    code = whole_number(fields.get("code"))
    if code is None:
        return None
    request_id, _ = read_text(fields.get("request_id"))
    message, _ = read_text(fields.get("message"))
    return Envelope(code, request_id, message, Raw(msgspec.json.encode(fields.get("data"))))


def _repaired_room(data: bytes) -> DecodedRoom:
    fields = parse(data) or {}
    values, repaired = _read_room(fields)
    try:
        room = _in_domain(_as_room(values))
    except msgspec.ValidationError:
        raise Broken("the room in the reply cannot be read") from None  # the cause may quote it
    push_url = room.push_url.reveal()
    if room.push_url is UNREADABLE_PUSH_URL and fields.get("push_url") is not None:
        push_url = stand_in(data)
    return DecodedRoom(*without_repeats(room, push_url), repaired=tuple(repaired))


def _in_domain(room: RoomData) -> AnchorRoom:
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
