"""A history for each alert, in which it has to fire."""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from gateway.metrics import Metrics
from tests.telemetry.scraped import (
    ROOM,
    History,
    asked,
    breakers,
    busy,
    calls,
    counter,
    gauge,
    histogram,
    idle,
    problems,
    refreshes,
    series,
    tokens,
)

JOB: Mapping[str, str] = MappingProxyType({"job": "gateway"})
INSTANCE = {"job": "gateway", "instance": "a:9090"}


class Case(Struct, frozen=True):
    """An alert fires at minute `at` and not at `before`, and no other does until then.

    The notification has `labels` and `description`.
    """

    name: str
    alert: str
    history: History
    before: int
    at: int
    description: str
    labels: Mapping[str, str] = JOB


_BUILD = series("gateway_build_info", version="1", python="3")
_DEGRADED = series("gateway_store_workers", state="degraded")
_GONE = gauge((30, 1), (0, None))

CASES = (
    Case(
        "all instances are gone",
        "GatewayDown",
        {**busy(), _BUILD: _GONE, series("up"): _GONE},
        before=31,
        at=33,
        description="No instance of gateway answers scrapes.",
    ),
    Case(
        "never seen",
        "GatewayDown",
        {},
        before=1,
        at=2,
        labels={},
        description="No gateway answers scrapes.",
    ),
    Case(
        "a tenth fails",
        "GatewayErrorsHigh",
        {**busy(), asked(ROOM, "503"): counter((60, 0), (0, 300))},
        before=69,
        at=75,
        description="9.403% of the requests to gateway failed in the last 5 minutes, and too many"
        " in the last hour.",
    ),
    Case(
        "idle, and then all fails",
        "GatewayErrorsHigh",
        {**idle(), asked("unmatched", "503"): counter((30, None), (0, 2))},
        before=36,
        at=42,
        description="100% of the requests to gateway failed in the last 5 minutes, and too many in"
        " the last hour.",
    ),
    Case(
        "a hundredth fails for long",
        "GatewayErrorBudgetBurning",
        {**busy(), asked(ROOM, "502"): counter((0, 30))},
        before=10,
        at=60,
        description="1.024% of the requests to gateway failed in the last 30 minutes, and too many"
        " in the last 6 hours.",
    ),
    Case(
        "every twentieth read takes two seconds",
        "GatewaySlow",
        {
            **busy(),
            **histogram(
                Metrics.http_duration, (30, {0.005: 3000}), (0, {0.005: 2850, 2.5: 150}), route=ROOM
            ),
        },
        before=38,
        at=60,
        description="The p99 latency of room reads of gateway is 2.2s.",
    ),
    Case(
        "a 500 now and then",
        "GatewayInternalErrors",
        {**busy(), problems("internal_error"): counter((30, 0), (1, 2), (0, 0))},
        before=29,
        at=31,
        description="2 requests to gateway ended in an unexpected error in 15 minutes.",
    ),
    Case(
        "too many in flight",
        "GatewayOverloaded",
        {**busy(), problems("overloaded"): counter((30, 0), (0, 5))},
        before=33,
        at=45,
        description="50 requests to gateway were refused in 10 minutes.",
    ),
    Case(
        "a store that is lost, and found for moments",
        "GatewayStoreDegraded",
        {
            **busy(),
            series("gateway_store_workers", state="degraded"): gauge(
                (30, 0), *[(2, 2), (1, 0)] * 50
            ),
        },
        before=31,
        at=34,
        description="2 workers of gateway work without the store that they share with others.",
    ),
    Case(
        "down, open and half-open by turns",
        "GatewayUpstreamBreakerOpen",
        {
            **busy(),
            breakers("open"): gauge(*[(30, 0), *[(1, 2), (1, 0)] * 75]),
        },
        before=32,
        at=36,
        description="The circuit breakers of 2 workers of gateway are open; their probes fail.",
    ),
    Case(
        "creates fail, among many good reads",
        "GatewayUpstreamFailing",
        {**busy(), calls("create", "upstream_error"): counter((30, 0), (0, 10))},
        before=35,
        at=50,
        labels={**JOB, "operation": "create"},
        description="43.48% of the create calls of gateway failed in the last 15 minutes.",
    ),
    Case(
        "a wrong secret key",
        "GatewayUpstreamCredentialsRefused",
        {**busy(), calls("read", "credentials_refused"): counter((30, 0), (1, 1), (0, 0))},
        before=29,
        at=31,
        description="The upstream refused the credentials of gateway 1 times in 10 minutes.",
    ),
    Case(
        "a slow upstream",
        "GatewayUpstreamConnectionsBusy",
        {**busy(), series("gateway_upstream_calls_waiting"): gauge((30, 0), (0, 12))},
        before=35,
        at=60,
        description="12.0 calls of gateway wait for a connection, on average.",
    ),
    Case(
        "one create without an answer",
        "GatewayCreateOutcomesUnknown",
        {**busy(), calls("create", "outcome_unknown"): counter((30, 0), (1, 1), (0, 0))},
        before=29,
        at=31,
        description="1 creates of gateway got no usable response in an hour.",
    ),
    Case(
        "one room repeats its key",
        "GatewayPushUrlsRepeated",
        {
            **busy(),
            series("gateway_upstream_push_url_repeats_total"): counter((30, 0), (1, 1), (0, 0)),
        },
        before=29,
        at=31,
        description="1 rooms came to gateway with a repeated push URL in an hour.",
    ),
    Case(
        "a flood of creates",
        "GatewayIdempotencyEvictions",
        {
            **busy(),
            series("gateway_idempotency_evictions_total"): counter((30, 0), (1, 9), (0, 0)),
        },
        before=29,
        at=31,
        labels=INSTANCE,
        description="a:9090 of gateway forgot 9 outcomes of creates in an hour, before their 24"
        " hours were over.",
    ),
    Case(
        "tokens come before the keys",
        "GatewayNoTokenKeys",
        {**idle(), tokens("no_keys"): counter((30, 0), (0, 20))},
        before=30,
        at=40,
        description="gateway has never fetched the issuer's JWK set: 100 unverified tokens or"
        " failed fetches in 5 minutes.",
    ),
    Case(
        "not ready, so without requests",
        "GatewayNoTokenKeys",
        {**idle(), refreshes("jwks", "failed"): counter((0, 6))},
        before=1,
        at=10,
        description="gateway has never fetched the issuer's JWK set: 30 unverified tokens or"
        " failed fetches in 5 minutes.",
    ),
    Case(
        "one of two issuers is down",
        "GatewayKeyRefreshFailing",
        {
            **busy(),
            refreshes("jwks", "ok"): counter((0, 0.5)),
            refreshes("jwks", "failed"): counter((30, 0), (0, 6)),
            series("gateway_issuer_key_sets", state="ok"): gauge((30, 4), (0, 2)),
            series("gateway_issuer_key_sets", state="stale"): gauge((30, 0), (0, 2)),
        },
        before=58,
        at=62,
        labels=INSTANCE,
        description="2 issuers' key sets of a:9090 of gateway could not be fetched for half an"
        " hour. Tokens signed with a new key are refused.",
    ),
    Case(
        "a broken key file",
        "GatewayKeyFilesRejected",
        {**busy(), refreshes("files", "failed"): counter((30, 0), (1, 1), (0, 0))},
        before=29,
        at=31,
        labels=INSTANCE,
        description="a:9090 of gateway rejected a changed key file in the last hour; the previous"
        " keys stay in use.",
    ),
    Case(
        "half of the tokens are refused",
        "GatewaySignInsFailing",
        {**busy(), tokens("invalid"): counter((30, 0), (0, 2930))},
        before=40,
        at=70,
        description="50.51% of the tokens sent to gateway in 15 minutes were invalid or expired.",
    ),
    Case(
        "one of two does not answer",
        "GatewayInstanceDown",
        {
            **busy(),
            series("gateway_build_info", instance="b:9090", version="1", python="3"): _GONE,
            series("up", instance="b:9090"): gauge((30, 1), (0, 0)),
        },
        before=39,
        at=41,
        labels={"job": "gateway", "instance": "b:9090"},
        description="b:9090 of gateway is still a target and has not answered for 10 minutes.",
    ),
    Case(
        "workers die",
        "GatewayWorkersRestarting",
        {**busy(), series("gateway_worker_restarts_total"): counter((30, 0), (0, 0.5))},
        before=33,
        at=60,
        labels=INSTANCE,
        description="a:9090 of gateway replaced 15 workers in 30 minutes.",
    ),
    Case(
        "one of two hangs",
        "GatewayWorkerStuck",
        {**busy(), **histogram(Metrics.loop_lag, (30, {0.001: 240}), (0, {0.001: 120}))},
        before=36,
        at=40,
        labels=INSTANCE,
        description="1 workers of a:9090 of gateway have stopped sampling, and do not answer"
        " requests.",
    ),
    Case(
        "every twentieth turn is late",
        "GatewayEventLoopLag",
        {**busy(), **histogram(Metrics.loop_lag, (30, {0.001: 240}), (0, {0.001: 224, 0.25: 12}))},
        before=38,
        at=50,
        labels=INSTANCE,
        description="The p99 event loop lag of a:9090 of gateway is 220.5ms.",
    ),
    Case(
        "standard output is not read",
        "GatewayLogLinesDropped",
        {**busy(), series("gateway_log_lines_dropped_total"): counter((30, 0), (0, 1000))},
        before=29,
        at=50,
        labels=INSTANCE,
        description="a:9090 of gateway dropped 15000 log lines in 15 minutes: standard output is"
        " too slow.",
    ),
    Case(
        "many viewers watch",
        "GatewayEventStreamsNearBound",
        {
            **busy(),
            series("gateway_event_streams_active"): gauge((30, 100), (0, 27_000)),
            series("gateway_event_streams_active_max"): gauge((0, 30_000)),
        },
        before=34,
        at=36,
        labels=INSTANCE,
        description="a:9090 of gateway has 90% of the event streams that it may have.",
    ),
    Case(
        "one worker has many connections",
        "GatewayDescriptorsNearBound",
        {**busy(), series("process_open_fds", worker="2"): gauge((30, 40), (0, 900))},
        before=34,
        at=36,
        labels=INSTANCE,
        description="A worker of a:9090 of gateway uses 87.89% of its file descriptors.",
    ),
)
