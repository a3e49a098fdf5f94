"""Verdicts on a worker's samples: resources at rest, rise of memory, lateness."""

from collections.abc import Iterator, Sequence

import msgspec

from .figures import milliseconds, slope
from .results import Row, told
from .watched import Moment

_SLOPE = 1.0
"""Allowed rise of memory in megabytes an hour."""

_BLOCKED = 0.05
"""Allowed seconds of a blocked event loop."""

_REST = 5
"""Samples of a worker at rest."""

_ENOUGH = 30
"""Samples needed for a slope."""

_MEGABYTE, _HOUR = 1e6, 3600.0


def at_rest(moments: Sequence[Moment]) -> Moment:
    """Return the last complete sample, with the lags of the last few."""
    last = moments[-_REST:]
    counted = [each for each in last if each.coroutines is not None]
    lags = [lag for each in last for lag in each.lags]
    return msgspec.structs.replace((counted or last)[-1], lags=lags)


def is_back(before: Moment, after: Moment) -> bool:
    """Return true if a worker at rest holds no more than one did before."""
    return after.descriptors <= before.descriptors and after.tasks <= before.tasks


def worker_rows(
    of: str, before: Moment, busy: Sequence[Moment], after: Moment, *, warm_up: float
) -> Iterator[Row]:
    """Judge a worker by its samples before, during and after the traffic."""
    warm = [each for each in busy if each.at >= busy[0].at + warm_up]
    yield _memory(f"memory slope after warm-up{of}", warm)
    sizes = f"{before.resident / _MEGABYTE:.1f} → {after.resident / _MEGABYTE:.1f} MB"
    yield told(f"resident memory{of}, at rest before → after", sizes)
    last = busy[-1]
    yield _back(f"descriptors{of}", before.descriptors, after.descriptors, last.descriptors)
    yield _back(f"tasks{of}", before.tasks, after.tasks, last.tasks)
    yield _back(f"requests in flight{of}", before.in_flight, after.in_flight, last.in_flight)
    if before.coroutines is not None and after.coroutines is not None:
        yield _back(f"coroutines{of}", before.coroutines, after.coroutines)
    yield from _punctual(of, before, busy, after)


def newborn(of: str, after: Moment) -> Row:
    """Report the resources of a replacement worker without earlier samples."""
    held = f"{after.descriptors} descriptors, {after.tasks} tasks, {after.in_flight} in flight"
    return told(f"at rest{of}", held, "born after the kill")


def _memory(row: str, moments: Sequence[Moment]) -> Row:
    if len(moments) < _ENOUGH:
        return told(row, "–", "the run was too short")
    rise = slope([(each.at / _HOUR, each.resident / _MEGABYTE) for each in moments])
    figure = f"{rise.rise:+.2f} ± {rise.error:.2f} MB/h"
    decided = rise.is_over(_SLOPE) or rise.is_under(_SLOPE)
    detail = "" if decided else "undecided: needs a longer run"
    return Row(row, "–", figure, f"< {_SLOPE:g} MB/h", not rise.is_over(_SLOPE), detail)


def _back(row: str, before: int, after: int, busy: int | None = None) -> Row:
    detail = "" if busy is None else f"{busy} at the end of the traffic"
    return Row(f"{row}, at rest", "before", f"{after}", f"≤ {before}", after <= before, detail)


def _punctual(of: str, before: Moment, busy: Sequence[Moment], after: Moment) -> Iterator[Row]:
    lags = [lag for each in busy for lag in each.lags]
    pauses = [pause for each in busy for pause in each.pauses]
    blocked = max((each.blocked for each in busy), default=0.0)
    row = f"event-loop lag{of}, p50 / p99 / max"
    yield told(f"{row}, under the traffic", milliseconds(lags))
    yield told(f"{row}, at rest", milliseconds(after.lags), f"before: {milliseconds(before.lags)}")
    yield Row(
        f"event loop{of} blocked, at the longest",
        "–",
        f"{blocked * 1000:.1f} ms",
        f"< {_BLOCKED * 1000:g} ms",
        blocked < _BLOCKED,
        f"{len(pauses):,} garbage collections: {milliseconds(pauses)}",
    )
