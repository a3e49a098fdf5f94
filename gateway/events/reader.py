"""One reader of an event stream."""

import asyncio
from enum import StrEnum

from gateway.secret import Secret


class End(StrEnum):
    """Why a stream ended: by its last event, or because its client did not read, or left."""

    DELETED = "deleted"
    EXPIRED = "expired"
    AGED = "aged"
    SHUTDOWN = "shutdown"
    SLOW = "slow"
    GONE = "gone"


class Reader:
    """The reader of one stream; times are monotonic seconds.

    - `etag` is that of the last state sent, `told_doubt` whether the doubt about it was told.
    - `beat_at`, `aged_at` and `expires_at` are when a comment is due, and when the stream ends.
    - `writing_since` is when a write began that has not ended, else None.
    - `end` is why the stream has ended, or is to end.
    """

    __slots__ = (
        *("__weakref__", "_task", "_woken", "aged_at", "beat_at", "end", "etag", "expires_at"),
        *("told_doubt", "token", "writing_since"),
    )

    def __init__(self, token: Secret, etag: bytes | None) -> None:
        self.token = token
        self.etag = etag
        self.told_doubt = False
        self.beat_at = self.aged_at = self.expires_at = 0.0
        self.writing_since: float | None = None
        self.end: End | None = None
        self._woken: asyncio.Future[None] | None = None
        self._task = asyncio.current_task()

    @property
    def due_at(self) -> float:
        """The time at which it has something to do by itself."""
        return min(self.beat_at, self.aged_at, self.expires_at)

    async def sleep(self) -> None:
        """Wait for `wake`, which may have come already."""
        if self._woken is None:
            self._woken = asyncio.get_running_loop().create_future()
        try:
            await self._woken
        finally:
            self._woken = None

    def wake(self) -> None:
        """Have it look whether there is something to send."""
        if self._woken is None:
            self._woken = asyncio.get_running_loop().create_future()
        if not self._woken.done():
            self._woken.set_result(None)

    def drop(self) -> None:
        """End it in the middle of a write that does not end."""
        if self._task is not None and self.end is not End.SLOW:
            self.end = End.SLOW
            self._task.cancel()

    def was_dropped(self) -> bool:
        """Return whether this is why the stream was cancelled, and take the cancellation back."""
        if self._task is None or self.end is not End.SLOW:
            return False
        self._task.uncancel()
        return True
