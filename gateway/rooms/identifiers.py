"""The patterns of ids, as text for schemas and as functions for checks."""

import re

LIVE_ID = "[A-Za-z0-9_-]{1,64}"
USER_ID = r"[^\s\x00-\x1f\x7f-\x9f]{1,128}"
"""Without a rule that patterns cannot express: each character is printable."""

REQUEST_ID = "[A-Za-z0-9._-]{1,64}"
IDEMPOTENCY_KEY = "[!-~]{1,128}"
TOKEN_ID = "[!-~]{1,256}"  # noqa: S105  # the pattern of an id

_LIVE_ID, _USER_ID, _REQUEST_ID, _IDEMPOTENCY_KEY, _TOKEN_ID = map(
    re.compile, (LIVE_ID, USER_ID, REQUEST_ID, IDEMPOTENCY_KEY, TOKEN_ID)
)


def is_live_id(text: str) -> bool:
    """Return whether `text` is a well-formed room id."""
    return _LIVE_ID.fullmatch(text) is not None


def is_user_id(text: str) -> bool:
    """Return whether `text` is 1 to 128 printable characters without white space.

    Printable as Unicode has it: no control, invisible or unassigned character, no lone surrogate.
    """
    return _USER_ID.fullmatch(text) is not None and text.isprintable()


def is_request_id(text: str) -> bool:
    """Return whether `text` is a well-formed request id, from a client or the upstream."""
    return _REQUEST_ID.fullmatch(text) is not None


def is_idempotency_key(text: str) -> bool:
    """Return whether `text` is 1 to 128 visible ASCII characters."""
    return _IDEMPOTENCY_KEY.fullmatch(text) is not None


def is_token_id(text: str) -> bool:
    """Return whether `text` is 1 to 256 visible ASCII characters, as those of a usable `jti`."""
    return _TOKEN_ID.fullmatch(text) is not None
