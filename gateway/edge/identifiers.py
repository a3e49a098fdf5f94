"""Which ids of rooms and which `Idempotency-Key`s are well formed; no others go any further."""

import re

LIVE_ID = "[A-Za-z0-9_-]{1,64}"
IDEMPOTENCY_KEY = "[!-~]{1,128}"

_LIVE_ID = re.compile(LIVE_ID)
_IDEMPOTENCY_KEY = re.compile(IDEMPOTENCY_KEY)


def is_live_id(text: str) -> bool:
    """Whether `text` can be a room's id."""
    return _LIVE_ID.fullmatch(text) is not None


def is_idempotency_key(text: str) -> bool:
    """Whether `text` is 1 to 128 visible ASCII characters."""
    return _IDEMPOTENCY_KEY.fullmatch(text) is not None
