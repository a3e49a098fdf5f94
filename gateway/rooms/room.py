"""The shapes of a room.

- `ViewerRoom` and `AnchorRoom` share their fields but no public type: a function that takes a
  `ViewerRoom` does not accept the shape with `push_url`.
- `push_url` is a Secret: an `AnchorRoom` cannot be printed, logged, pickled or encoded with it.
  Only the anchor's own answer reveals its text.
- Both are allow-lists: a field that the upstream adds is dropped until it is added here.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from gateway.secret import Secret

CREATED, LIVING, ENDED = 0, 1, 2
"""The `live_status` of a room that never went live, of one that is live, and of one that ended."""

UNREADABLE_PUSH_URL = Secret("")
"""The `push_url` of a room read from a reply without a usable one; compare by identity."""

Int64 = Annotated[int, Meta(extra_json_schema={"format": "int64"})]

Count = Annotated[Int64, Meta(description="The upstream's server API always says 0.")]

Time = Annotated[
    Int64 | None,
    Meta(description="Epoch seconds: the planned time until the real one; null when unset."),
]


class Anchor(Struct, frozen=True):
    """The user who broadcasts in a room."""

    user_id: str
    im_userid: Int64
    nick: str
    avatar: str
    extends: Mapping[str, str]


class _Room(Struct, frozen=True, kw_only=True):
    live_id: str
    title: str
    notice: str
    cover_url: str
    extends: Mapping[str, str]
    anchor_info: Anchor
    anchor_status: Annotated[
        int, Meta(description="0 offline, 1 online; the upstream's server API always says 0.")
    ]
    pk_id: str
    online_count: Count
    start_time: Time
    end_time: Time
    chat_id: Int64
    hls_url: str
    rtmp_url: str
    flv_url: str
    pv: Count
    uv: Count
    live_status: Annotated[int, Meta(description="0 created, 1 living, 2 ended.")]

    @property
    def has_ended(self) -> bool:
        """Return whether the broadcast is over."""
        return self.live_status == ENDED


class ViewerRoom(_Room, frozen=True, kw_only=True):
    """A room as anyone signed in may see it."""

    def for_anchor(self, push_url: Secret) -> "AnchorRoom":
        """Return this room with its `push_url`."""
        shared = {name: getattr(self, name) for name in self.__struct_fields__}
        return AnchorRoom(**shared, push_url=push_url)


SHAPE: Final = hashlib.blake2b(
    repr(msgspec.inspect.type_info(ViewerRoom)).encode(), digest_size=4
).hexdigest()
"""The name of the viewer shape: another one after each change of a field."""


class AnchorRoom(_Room, frozen=True, kw_only=True):
    """A room as its own anchor sees it: with the URL that lets its holder broadcast."""

    push_url: Annotated[
        Secret,
        Meta(
            description="Only for the room's own anchor; its holder can broadcast as the anchor.",
            extra_json_schema={"type": "string"},
        ),
    ]

    def for_viewers(self) -> ViewerRoom:
        """Return this room without `push_url`."""
        return ViewerRoom(**{name: getattr(self, name) for name in ViewerRoom.__struct_fields__})


class NewRoom(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A room to create. Times carry a UTC offset; None means the upstream's default.

    Fields that are None are not encoded, so that a further field changes no fingerprint.
    """

    anchor_id: str
    title: str
    notice: str | None = None
    cover_url: str | None = None
    extends: Mapping[str, str] | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    publish_expire_at: datetime | None = None

    def without_upstream(self, live_id: str) -> ViewerRoom:
        """Return the room that was created with this id, as far as that is known here."""
        return ViewerRoom(
            live_id=live_id,
            title=self.title,
            notice=self.notice or "",
            cover_url=self.cover_url or "",
            extends=self.extends or {},
            anchor_info=Anchor(self.anchor_id, 0, "", "", {}),
            anchor_status=0,
            pk_id="",
            online_count=0,
            start_time=_seconds(self.start_at),
            end_time=_seconds(self.end_at),
            chat_id=0,
            hls_url="",
            rtmp_url="",
            flv_url="",
            pv=0,
            uv=0,
            live_status=CREATED,
        )


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
