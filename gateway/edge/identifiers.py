"""Which room ids are well formed; no other ever reaches the upstream."""

import re

LIVE_ID = "[A-Za-z0-9_-]{1,64}"

_LIVE_ID = re.compile(LIVE_ID)


def is_live_id(text: str) -> bool:
    """Whether `text` can be a room's id."""
    return _LIVE_ID.fullmatch(text) is not None
