"""Decisions about workers: whom to start, to take out, to kill, and when to give up.

Nothing here does I/O or reads a clock. Times are seconds of one monotonic clock.

- A *place* is one of the workers that are wanted. Its worker may end; then it gets another.
- A place whose workers keep ending early waits before the next one, longer each time. So does one
  for which the system has no process.
- A worker that ends within seconds, or without a heartbeat, has failed to start, unless it was
  stopped from outside: that says nothing about the next one. Each place counts its own failures.
  There is no hope once every place has failed three times in a row and no worker has a heartbeat.
- A worker is taken out if the system has stopped it (SIGSTOP) or its heartbeat is old. It is told
  to stop and killed at the end of the grace period; its place gets another one at once.
- A *slot* is the number of a worker's shared memory. No two processes may write to one, so there
  are more of them than places.
"""

import math
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Reason = Literal["ended", "unresponsive"]
"""The reason why a worker was replaced."""

SLOTS_PER_WORKER = 2
"""One for a worker, and one for another that was taken out and has not ended."""

FAILED_STARTS = 3
"""Failed starts in a row after which a place has no hope."""

SETTLED = 10.0
"""Seconds; a worker that ends earlier has failed to start."""

FIRST_BEAT = 60.0
"""Seconds that a worker may take until its first heartbeat."""

SILENCE = 10.0
"""Seconds without a heartbeat after which a worker's event loop counts as blocked."""

STOPPED = 1.0
"""Seconds for which a worker may be stopped by the system; its clients wait meanwhile."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds before a place's next start, doubled with each early end."""

LOOK = 0.5
"""Seconds between two looks at the workers."""

LATE = 1.0
"""Seconds by which a look is late if the supervisor itself was paused."""

LAST_WAIT = 1.0
"""Seconds to wait for the end of killed workers."""

_FROM_OUTSIDE = frozenset({0, -signal.SIGTERM, -signal.SIGINT, -signal.SIGKILL})
"""Exit codes of workers that were stopped from outside."""


@dataclass(eq=False)
class Worker:
    """A worker process. `beat` is the time of its last heartbeat, 0 before the first."""

    pid: int
    place: "Place"
    slot: int
    started: float
    beat: float = 0.0
    stopped: float = math.inf
    kill_at: float = math.inf


@dataclass(eq=False)
class Place:
    """A place for a worker. `left` tells why the last one is gone."""

    number: int
    due: float
    worker: Worker | None = None
    left: Reason | None = None
    tries: int = 0
    failures: int = 0


class Supervision:
    """The state of a number of places from the time `now` on; `grace` is in seconds."""

    def __init__(self, places: int, grace: float, now: float) -> None:
        self.places = tuple(Place(number, now) for number in range(places))
        self.stopping = False
        self._grace = grace
        self._leaving: list[Worker] = []
        self._looked = self._trusted = now
        self._end = math.inf

    @property
    def running(self) -> list[Worker]:
        """The workers that have not ended, those taken out last."""
        return [each.worker for each in self.places if each.worker] + self._leaving

    def look(self, now: float) -> None:
        """Begin a look at the workers.

        If it is late, the supervisor was paused, and maybe its workers with it: heartbeats before
        that say nothing.
        """
        if now - self._looked > LOOK + LATE:
            self._trusted = now
        self._looked = now

    def due(self, now: float) -> Iterator[tuple[Place, int]]:
        """Yield each place that is to get a worker now, and a free slot for it."""
        for place in self.places:
            slot = self._free_slot(place)
            if place.worker is None and place.due <= now and slot is not None and not self.stopping:
                yield place, slot

    def started(self, place: Place, slot: int, pid: int, now: float) -> Worker:
        """Note that a place got a worker."""
        place.worker = Worker(pid, place, slot, now)
        place.tries += 1
        return place.worker

    def not_started(self, place: Place, now: float) -> None:
        """Note that the system had no process for a place."""
        place.tries += 1
        place.due = now + pause(place.tries)

    def ended(self, worker: Worker, exit_code: int, now: float) -> bool:
        """Note the end of a worker; return False if it had been taken out."""
        if worker in self._leaving:
            self._leaving.remove(worker)
            return False
        early = not worker.beat or now - worker.started < SETTLED
        self._vacate(worker, "ended", now, failed=early and exit_code not in _FROM_OUTSIDE)
        return True

    def take_out_unresponsive(self, now: float) -> list[Worker]:
        """Take out each worker that does not respond, and return them."""
        workers = [each.worker for each in self.places if each.worker and not self.stopping]
        silent = [each for each in workers if self._silent(each, now)]
        for worker in silent:
            self._vacate(worker, "unresponsive", now, failed=not worker.beat)
            worker.kill_at = now + self._grace
            self._leaving.append(worker)
        return silent

    def stop(self, now: float, delay: float = 0.0) -> None:
        """Start no worker any more; kill those that are left when `delay` and grace are over."""
        self.stopping = True
        self._end = min(self._end, now + delay + self._grace)
        for worker in self.running:
            worker.kill_at = min(worker.kill_at, self._end)

    def overdue(self, now: float) -> list[Worker]:
        """Return the workers whose grace is over, each once."""
        overdue = [each for each in self.running if each.kill_at <= now]
        for worker in overdue:
            worker.kill_at = math.inf
        return overdue

    def hopeless(self) -> bool:
        """Return True if every place has failed to start and no worker is healthy."""
        return all(
            each.failures >= FAILED_STARTS and not (each.worker and each.worker.beat)
            for each in self.places
        )

    def over(self, now: float) -> bool:
        """Return True if all workers have ended, or cannot be killed."""
        return self.stopping and (not self.running or now >= self._end + LAST_WAIT)

    def next_look(self, now: float) -> float:
        """Return the seconds until something may have to be done."""
        times = [now + LOOK]
        times += [each.due for each in self.places if each.worker is None and not self.stopping]
        times += [min(each.kill_at, each.stopped + STOPPED) for each in self.running]
        return min(each - now for each in times if each > now)

    def _silent(self, worker: Worker, now: float) -> bool:
        patience = SILENCE if worker.beat else FIRST_BEAT
        last = max(worker.beat or worker.started, self._trusted)
        return now - last >= patience or now - max(worker.stopped, self._trusted) >= STOPPED

    def _vacate(self, worker: Worker, reason: Reason, now: float, *, failed: bool) -> None:
        place = worker.place
        place.worker, place.left = None, reason
        place.failures = place.failures + 1 if failed else 0
        if now - worker.started >= SETTLED and worker.beat:
            place.tries = 0
        place.due = now + pause(place.tries)

    def _free_slot(self, place: Place) -> int | None:
        taken = {each.slot for each in self.running}
        slots = (place.number, *range(SLOTS_PER_WORKER * len(self.places)))
        return next((each for each in slots if each not in taken), None)


def pause(tries: int) -> float:
    """Return the seconds before the next start, after so many in a row that did not last."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(tries - 1, 10)) if tries else 0.0
