"""A gateway's scrapes, minute by minute, for promtool's unit tests.

A history maps a series to its values, one a minute, `MINUTES` of them. None is a scrape without
the series.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate, chain, repeat
from math import inf

from gateway.metrics import Metrics
from gateway.telemetry import Family, Kind, families

MINUTES = 180
WORKERS = 2
ROOM = "/v1/rooms/{live_id}"

Values = Sequence[float | None]
History = Mapping[str, Values]

Phase = tuple[int, float | None]
"""A number of minutes, and a value or the increase per minute. The last goes on to the end."""


def series(name: str, /, *, instance: str = "a:9090", **labels: str) -> str:
    """Return a series of the job `gateway` in Prometheus' notation."""
    everything = {"job": "gateway", "instance": instance, **labels}
    inside = ",".join(f'{label}="{value}"' for label, value in everything.items())
    return f"{name}{{{inside}}}"


def gauge(*phases: Phase) -> Values:
    """Return the values of each phase."""
    *first, (_, last) = phases
    shown = chain.from_iterable(repeat(value, minutes) for minutes, value in first)
    known = list(shown)
    return [*known, *repeat(last, MINUTES - len(known))]


def counter(*phases: Phase) -> Values:
    """Return a counter that grows each minute by the number of its phase."""
    return list(accumulate(each or 0 for each in gauge(*phases)))


def histogram(family: Family, *phases: tuple[int, Mapping[float, float]], **labels: str) -> History:
    """Return a histogram; a phase maps values to their number per minute."""
    bounds = [*family.bounds, inf]
    made = {}
    for bound in bounds:
        within = [(minutes, _within(bound, added)) for minutes, added in phases]
        le = "+Inf" if bound == inf else repr(bound)
        made[series(f"{family.name}_bucket", **labels, le=le)] = counter(*within)
    made[series(f"{family.name}_count", **labels)] = counter(*within)
    return made


def idle() -> dict[str, Values]:
    """Return a gateway without traffic."""
    history = {
        series(family.name, **dict(zip(_names(family), values, strict=True))): gauge((0, 0))
        for family in families(Metrics)
        if not family.sparse and family.kind is not Kind.HISTOGRAM
        for values in family.series
    }
    return {
        **history,
        **histogram(Metrics.loop_lag, (0, {0.001: 115 * WORKERS, 0.025: 5 * WORKERS})),
        breakers("closed"): gauge((0, WORKERS)),
        series("gateway_workers"): gauge((0, WORKERS)),
        series("gateway_build_info", version="1", python="3"): gauge((0, 1)),
        series("up"): gauge((0, 1)),
        **{
            series(f"process_{what}", worker=str(worker)): gauge((0, value))
            for worker in range(1, WORKERS + 1)
            for what, value in (("open_fds", 40), ("max_fds", 1024))
        },
    }


def busy() -> dict[str, Values]:
    """Return a gateway with everyday traffic, a few errors of every kind included."""
    each_minute = {
        asked(ROOM, "200"): 2400,
        asked(ROOM, "304"): 500,
        asked(ROOM, "404"): 60,
        asked(ROOM, "401"): 30,
        asked(ROOM, "gone"): 9,
        asked(ROOM, "502"): 1,
        asked("/readyz", "503"): 30,  # probes, while it starts or drains
        problems("token_expired"): 30,
        problems("upstream_error"): 1,
        tokens("remembered"): 2900,
        tokens("expired"): 30,
        refreshes("jwks", "ok"): 0.5,
        calls("read", "ok"): 300,
        calls("read", "room_not_found"): 20,
        calls("read", "upstream_error"): 1,
        calls("create", "ok"): 10,
        calls("create", "anchor_not_registered"): 3,
        calls("stop", "room_not_live"): 3,
    }
    return {
        **idle(),
        **{each: counter((0, number)) for each, number in each_minute.items()},
        **histogram(Metrics.http_duration, (0, {0.0025: 2900, 0.25: 90, 2.5: 10}), route=ROOM),
        series("gateway_upstream_calls_waiting"): [minute % 2 for minute in range(MINUTES)],
    }


def asked(route: str, status: str, method: str = "GET") -> str:
    """Return the series of requests with that outcome."""
    return series("gateway_http_requests_total", route=route, method=method, status=status)


def added(values: Values, at: int) -> Values:
    """Return the values of a series that begins at a minute."""
    return [*repeat(None, at), *values[: MINUTES - at]]


def restarted(history: History, at: int) -> History:
    """Return a history with a missed scrape, and counters from 0 afterwards."""
    after = {}
    for each, values in history.items():
        counts = re.search(r"_(total|count|bucket){", each) is not None
        begin = (values[at] or 0) if counts else 0
        later = [None if value is None else value - begin for value in values[at + 1 :]]
        after[each] = [*values[:at], None, *later]
    return after


def calls(operation: str, outcome: str) -> str:
    """Return the series of upstream calls with that outcome."""
    return series("gateway_upstream_calls_total", operation=operation, outcome=outcome)


def refreshes(source: str, outcome: str) -> str:
    """Return the series of key refreshes with that outcome."""
    return series("gateway_key_refreshes_total", source=source, outcome=outcome)


def tokens(outcome: str) -> str:
    """Return the series of tokens with that outcome."""
    return series("gateway_token_verifications_total", outcome=outcome)


def problems(code: str) -> str:
    """Return the series of problems with that code."""
    return series("gateway_http_problems_total", code=code)


def breakers(state: str) -> str:
    """Return the series of breakers in that state."""
    return series("gateway_upstream_breaker_workers", state=state)


def input_series(history: History) -> list[dict[str, str]]:
    """Return a history in promtool's notation."""
    return [
        {"series": each, "values": " ".join("stale" if v is None else f"{v:.9g}" for v in values)}
        for each, values in history.items()
    ]


def _names(family: Family) -> list[str]:
    return [label.name for label in family.labels]


def _within(bound: float, added: Mapping[float, float]) -> float:
    return sum(number for value, number in added.items() if value <= bound)
