"""Key rotation: key files are reloaded while the gateway runs.

- Key files are polled every second. New content is loaded after a second without changes, so an AK
  and its SK, written one after the other, are loaded together. SIGHUP loads them at once.
- A missing, half-written or invalid file brings no other keys than those that another worker has
  read from it before. The log says why, once.
- A reload reads the whole configuration from the environment of the process.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from structlog.typing import FilteringBoundLogger

from gateway.settings import Settings, SettingsError, key_files, load
from gateway.telemetry import Counter

_EVERY = 1.0
"""Seconds between two checks of the files."""

Stamp = tuple[tuple[int, ...] | None, ...]
"""Device, inode, size and times of each file; None for a missing one.

The time of the last change is one of them: a file whose mode is put right has the same content.
Anything but a regular file is never read, so its times are of no account.
"""


class Rotation:
    """A watcher of the key files in `environ` that passes changed settings to `adopt`.

    `adopt` also gets the time of `clock` from before they were read. It raises SettingsError for
    unusable keys and then changes nothing. `follow` is called
    after a failed reload: another worker may have read the keys before. `read_at` is the stamp of
    the files from before they were read. `refreshes` counts reloads by outcome.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        adopt: Callable[[Settings, float], None],
        log: FilteringBoundLogger,
        refreshes: Counter,
        *,
        follow: Callable[[], None] = lambda: None,
        read_at: Stamp | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environ = environ
        self._adopt = adopt
        self._follow = follow
        self._log = log
        self._refreshes = refreshes
        self._clock = clock
        self._files = key_files(environ)
        self._loaded = self._last_seen = _stamp(self._files) if read_at is None else read_at
        self._requested = asyncio.Event()

    def request_reload(self) -> None:
        """Reload at the next check, changed or not."""
        self._requested.set()

    async def watch(self) -> None:
        """Check the files every second, and on request, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY if self._files else None):
                    await self._requested.wait()
            await self.check()

    async def check(self) -> None:
        """Reload the settings if files have changed and settled, or on request."""
        now = await asyncio.to_thread(_stamp, self._files)
        settled, self._last_seen = now == self._last_seen, now
        if self._requested.is_set() or (settled and now != self._loaded):
            self._requested.clear()
            self._loaded = now
            await self._reload()

    async def _reload(self) -> None:
        began = self._clock()
        try:
            self._adopt(await asyncio.to_thread(load, self._environ), began)
        except SettingsError as error:
            self._refreshes.inc("files", "failed")
            self._log.error("key_reload_failed", problems=[str(each) for each in error.problems])
            self._follow()
        else:
            self._refreshes.inc("files", "ok")
            self._log.info("keys_reloaded")


def stamp_of_keys(environ: Mapping[str, str]) -> Stamp:
    """Return the stamp of the key files in `environ`. Take it before reading them."""
    return _stamp(key_files(environ))


def _stamp(files: Sequence[Path]) -> Stamp:
    return tuple(_stamp_of(each) for each in files)


def _stamp_of(file: Path) -> tuple[int, ...] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    if not S_ISREG(status.st_mode):
        return status.st_dev, status.st_ino
    times = status.st_mtime_ns, status.st_ctime_ns
    return status.st_dev, status.st_ino, status.st_size, *times
