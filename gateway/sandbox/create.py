"""The body of a create call, as strict as the vendor's documentation.

Unknown fields are ignored and `null` is refused. Times have the form `YYYY-MM-DD HH:MM:SS`, without
a zone.
"""

from datetime import datetime, timedelta, timezone
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from .go_json import go_json

_FORMAT = "%Y-%m-%d %H:%M:%S"


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
                _parsed(text)

    def extends_text(self) -> str:
        """Return `extends` as written to its column."""
        extends = None if self.extends is UNSET else dict(sorted(self.extends.items()))
        return go_json(extends).decode()


def parse_create(body: bytes) -> Create:
    """Decode a create body; raise ValueError with the problem."""
    try:
        return msgspec.json.decode(body, type=Create)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def epoch_seconds(text: str | UnsetType, hours: int) -> int | None:
    """Return a vendor time in a zone so many hours ahead of UTC as epoch seconds."""
    if text is UNSET:
        return None
    return int(_parsed(text).replace(tzinfo=timezone(timedelta(hours=hours))).timestamp())


def _parsed(text: str) -> datetime:
    moment = datetime.strptime(text, _FORMAT)  # noqa: DTZ007  # the zone is the service's own
    if moment.strftime(_FORMAT) != text:
        raise ValueError(f"time {text!r} does not have the form YYYY-MM-DD HH:MM:SS")
    return moment
