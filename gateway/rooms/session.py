"""A caller whose token this process has verified, and what it found out about them since."""

from msgspec import Struct

from .caller import Caller
from .ports import Bucket


class Session(Struct):
    """The caller of a token, with its `exp` in epoch seconds, without leeway, and its `jti`.

    `token_id` is empty for a token without one. `bucket` is that of the caller's limit of reads; it
    is None before the first read, and without a limit.
    """

    caller: Caller
    expires_at: float
    token_id: str
    bucket: Bucket | None = None
