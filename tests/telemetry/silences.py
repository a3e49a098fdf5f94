"""Histories in which no alert may fire."""

from msgspec import Struct

from gateway.metrics import Metrics
from tests.telemetry.scraped import (
    ROOM,
    History,
    added,
    asked,
    breakers,
    busy,
    calls,
    counter,
    gauge,
    histogram,
    idle,
    restarted,
    series,
    tokens,
)


class Silence(Struct, frozen=True):
    """A history without any alert."""

    name: str
    history: History


_GONE = gauge((30, 1), (0, None))

SILENCES = (
    Silence("idle", idle()),
    Silence("everyday traffic", busy()),
    Silence(
        "a handful of failures on a quiet gateway",
        {
            **idle(),
            asked(ROOM, "200"): counter((0, 0.2)),
            asked(ROOM, "502"): counter((30, 0), (2, 2), (0, 0)),
            calls("read", "ok"): counter((0, 0.2)),
            calls("read", "upstream_error"): counter((30, 0), (2, 2), (0, 0)),
        },
    ),
    Silence(
        "client errors, and a crawler's",
        {
            **busy(),
            asked("unmatched", "404"): counter((0, 5000)),
            asked(ROOM, "429"): counter((0, 5000)),
            asked(ROOM, "gone"): counter((0, 500)),
        },
    ),
    Silence(
        "a few reads of a quiet gateway, all slow",
        {**idle(), **histogram(Metrics.http_duration, (0, {2.5: 5}), route=ROOM)},
    ),
    Silence("an attacker who tries tokens, slowly", {**idle(), tokens("invalid"): counter((0, 5))}),
    Silence(
        "twenty bad minutes in a good day",
        {**busy(), asked(ROOM, "503"): counter((120, 0), (20, 36), (0, 0))},
    ),
    Silence(
        "a breaker that waits for the next call", {**idle(), breakers("half-open"): gauge((0, 2))}
    ),
    Silence(
        "an instance is added",
        {
            **busy(),
            **{each.replace("a:9090", "b:9090"): added(v, at=60) for each, v in idle().items()},
        },
    ),
    Silence("restarted at the same address", restarted(busy(), at=60)),
    Silence(
        "replaced by an instance at another address",
        {
            **busy(),
            series("gateway_build_info", instance="b:9090", version="1", python="3"): _GONE,
            series("up", instance="b:9090"): _GONE,
        },
    ),
    Silence(
        "another program with few descriptors",
        {
            **busy(),
            'process_open_fds{job="other",instance="c:1"}': gauge((0, 99)),
            'process_max_fds{job="other",instance="c:1"}': gauge((0, 100)),
            'up{job="other",instance="c:1"}': gauge((0, 0)),
        },
    ),
    Silence(
        "no limit of descriptors", {**busy(), series("process_max_fds", worker="1"): gauge((0, 0))}
    ),
)
