"""Key files that change while the gateway runs.

- Files, where there are any, are looked at every second. What they say comes into use once it has
  stayed the same for a second, so that an AK and its SK, written one after the other, are taken
  together; or at once on SIGHUP.
- A file that is half written, missing or not valid changes nothing: all keys stay as they are, and
  the log says why, once.
- What is read is the whole configuration from the environment the process was started with.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from gateway.settings import Settings, SettingsError, key_files, load
from gateway.telemetry import Counter

_EVERY = 1.0

Stamp = tuple[tuple[int, ...] | None, ...]
"""What tells that a file has been written or replaced, for each file; None where there is none."""


class Rotation:
    """Gives `adopt` new settings when a key file in `environ` has changed.

    `adopt` raises SettingsError for keys that cannot be used, and then has changed nothing.
    `refreshes` counts by outcome.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        adopt: Callable[[Settings], None],
        log: FilteringBoundLogger,
        refreshes: Counter,
        *,
        every: float = _EVERY,
    ) -> None:
        self._environ = environ
        self._adopt = adopt
        self._log = log
        self._refreshes = refreshes
        self._every = every
        self._files = key_files(environ)
        self._in_use = self._before = _stamp(self._files)
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Read everything again now."""
        self._asked.set()

    async def watch(self) -> None:
        """Look after the files until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every if self._files else None):
                    await self._asked.wait()
            await self.look()

    async def look(self) -> None:
        """Take over what the files say, if they have changed and settled, or if that was asked."""
        now = await asyncio.to_thread(_stamp, self._files)
        settled, self._before = now == self._before, now
        if self._asked.is_set() or (settled and now != self._in_use):
            self._asked.clear()
            self._in_use = now
            await self._reload()

    async def _reload(self) -> None:
        try:
            self._adopt(await asyncio.to_thread(load, self._environ))
        except SettingsError as error:
            self._refreshes.inc("files", "failed")
            self._log.error("key_reload_failed", problems=[str(each) for each in error.problems])
        else:
            self._refreshes.inc("files", "ok")
            self._log.info("keys_reloaded")


def _stamp(files: Sequence[Path]) -> Stamp:
    return tuple(_stamp_of(each) for each in files)


def _stamp_of(file: Path) -> tuple[int, ...] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
