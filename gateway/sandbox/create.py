"""The body of a create call, as strict as the vendor's documentation.

Unknown fields are ignored and `null` is refused. Times have the form `YYYY-MM-DD HH:MM:SS`, in
UTC+8.
"""

from datetime import datetime, timedelta, timezone
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

_FORMAT = "%Y-%m-%d %H:%M:%S"
_ZONE = timezone(timedelta(hours=8))


class Create(Struct, frozen=True, kw_only=True):
    """A room to create."""

    anchor_id: Annotated[str, Meta(min_length=1)]
    title: str = ""
    notice: str = ""
    cover_url: str = ""
    extends: dict[str, str] | UnsetType = UNSET
    start_at: str | UnsetType = UNSET
    end_at: str | UnsetType = UNSET
    publish_expire_at: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        for text in (self.start_at, self.end_at, self.publish_expire_at):
            if text is not UNSET:
                epoch_seconds(text)


def parse_create(body: bytes) -> Create:
    """Decode a create body; raise ValueError with the problem."""
    try:
        return msgspec.json.decode(body, type=Create)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def epoch_seconds(text: str) -> int:
    """Parse a vendor time; raise ValueError for any other format."""
    moment = datetime.strptime(text, _FORMAT).replace(tzinfo=_ZONE)
    if moment.strftime(_FORMAT) != text:
        raise ValueError(f"time {text!r} does not have the form YYYY-MM-DD HH:MM:SS")
    return int(moment.timestamp())
