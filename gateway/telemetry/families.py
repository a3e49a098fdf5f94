"""Every metric there is: name, kind, meaning, labels with all their values.

Names and units follow Prometheus' conventions. All values of a label are known beforehand, so
there are only so many series whatever is asked for; a value that is not in its list counts as
`other`. A test holds the lists against the routes, problems and operations of the code.
"""

from enum import StrEnum
from itertools import product

from msgspec import Struct

OTHER = "other"


class Kind(StrEnum):
    """What becomes of a family's values."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


class Label(Struct, frozen=True):
    """A label and its values."""

    name: str
    values: tuple[str, ...]


class Family(Struct, frozen=True):
    """One metric; `bounds` are a histogram's, in its unit.

    With `sparse`, a series is shown once it has a value: there are many, and most never have one.
    """

    name: str
    kind: Kind
    about: str
    labels: tuple[Label, ...] = ()
    bounds: tuple[float, ...] = ()
    sparse: bool = False

    @property
    def series(self) -> tuple[tuple[str, ...], ...]:
        """Every combination of label values."""
        return tuple(product(*(label.values for label in self.labels)))


UNMATCHED = "unmatched"
"""The route of a request that matches none, in path or method, or that is refused before that."""

_ROUTE = Label(
    "route",
    (
        "/v1/rooms/{live_id}",
        "/v1/rooms",
        "/v1/rooms/{live_id}/stop",
        "/healthz",
        "/readyz",
        "/docs",
        "/docs/{name}",
        "/openapi.json",
        UNMATCHED,
        OTHER,
    ),
)
_METHOD = Label("method", ("GET", "HEAD", "POST", "DELETE", "OPTIONS", OTHER))
_STATUS = Label(
    "status",
    (
        *("200", "201", "204", "304", "400", "401", "403", "404", "405", "409", "413", "415"),
        *("422", "429", "500", "502", "503", "504", "gone", OTHER),
    ),
)
_OPERATION = Label("operation", ("create", "read", "stop", "delete"))

_ANSWER_TIMES = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
_CALL_TIMES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
_LAGS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

HTTP_REQUESTS = Family(
    "gateway_http_requests_total",
    Kind.COUNTER,
    "Requests answered; status gone is a client that left before its answer.",
    (_ROUTE, _METHOD, _STATUS),
    sparse=True,
)
HTTP_DURATION = Family(
    "gateway_http_request_duration_seconds",
    Kind.HISTOGRAM,
    "Time from a request's head to the end of its answer.",
    (_ROUTE,),
    _ANSWER_TIMES,
    sparse=True,
)
HTTP_IN_FLIGHT = Family("gateway_http_requests_in_flight", Kind.GAUGE, "Requests being worked on.")
HTTP_IN_FLIGHT_MAX = Family(
    "gateway_http_requests_in_flight_max",
    Kind.GAUGE,
    "Requests that may be in flight; those beyond are refused as overloaded.",
)
HTTP_PROBLEMS = Family(
    "gateway_http_problems_total",
    Kind.COUNTER,
    "Errors told to clients, by their code.",
    (
        Label(
            "code",
            (
                *("invalid_request", "token_missing", "token_invalid", "token_expired"),
                *("not_room_anchor", "missing_scope", "csrf_required", "room_not_found"),
                *("not_found", "method_not_allowed", "room_not_live", "idempotency_in_progress"),
                *("body_too_large", "unsupported_media_type", "anchor_not_registered"),
                *("idempotency_key_reused", "rate_limited", "internal_error", "upstream_error"),
                *("upstream_unavailable", "overloaded", "upstream_timeout", "outcome_unknown"),
            ),
        ),
    ),
)
RATE_LIMITED = Family(
    "gateway_rate_limit_refusals_total",
    Kind.COUNTER,
    "Requests refused by a rate limit.",
    (Label("limit", ("reads", "writes", "failed_auth")),),
)
REPLAYS = Family(
    "gateway_idempotent_replays_total",
    Kind.COUNTER,
    "Creates answered with the outcome of an earlier one.",
)
VERIFICATIONS = Family(
    "gateway_token_verifications_total",
    Kind.COUNTER,
    "Tokens looked at; remembered ones had been verified before.",
    (Label("outcome", ("remembered", "verified", "invalid", "expired", "no_keys")),),
)
KEY_REFRESHES = Family(
    "gateway_key_refreshes_total",
    Kind.COUNTER,
    "Keys fetched from the issuer, or read again from files.",
    (Label("source", ("jwks", "files")), Label("outcome", ("ok", "failed"))),
)
LOOKUPS = Family(
    "gateway_cache_lookups_total",
    Kind.COUNTER,
    "Room lookups: from memory (hit, stale, missing), read upstream (miss), sharing another's read "
    "(coalesced), by the anchor (bypass), old because the upstream failed (stale_if_error).",
    (
        Label(
            "result", ("hit", "stale", "missing", "miss", "coalesced", "stale_if_error", "bypass")
        ),
    ),
)
EVICTIONS = Family(
    "gateway_cache_evictions_total",
    Kind.COUNTER,
    "Rooms forgotten because others needed the space, or because of a stop or delete.",
    (Label("reason", ("capacity", "write")),),
)
CACHED = Family(
    "gateway_cache_rooms",
    Kind.GAUGE,
    "Rooms remembered, and ids remembered as unknown.",
    (Label("kind", ("known", "unknown")),),
)
CACHED_MAX = Family(
    "gateway_cache_rooms_max", Kind.GAUGE, "Rooms and unknown ids that may be remembered."
)
UPSTREAM_CALLS = Family(
    "gateway_upstream_calls_total",
    Kind.COUNTER,
    "Calls to the upstream, both attempts at one included, by what came of them.",
    (
        _OPERATION,
        Label(
            "outcome",
            (
                *("ok", "room_not_found", "room_not_live", "anchor_not_registered"),
                *("credentials_refused", "upstream_error", "upstream_timeout"),
                *("upstream_unavailable", "outcome_unknown", "abandoned"),
            ),
        ),
    ),
)
UPSTREAM_DURATION = Family(
    "gateway_upstream_call_duration_seconds",
    Kind.HISTOGRAM,
    "Time of a call to the upstream, waiting for a connection and both attempts included.",
    (_OPERATION,),
    _CALL_TIMES,
)
UPSTREAM_ATTEMPTS = Family(
    "gateway_upstream_attempts_total",
    Kind.COUNTER,
    "Requests sent to the upstream, by what came back: a reply, one that says it is down or "
    "flooded, no connection, a broken connection, nothing in time.",
    (
        Label(
            "outcome",
            ("reply", "unavailable", "not_connected", "broken", "timeout", "abandoned"),
        ),
    ),
)
UPSTREAM_WAITING = Family(
    "gateway_upstream_calls_waiting", Kind.GAUGE, "Calls that wait for an upstream connection."
)
UPSTREAM_ACTIVE = Family(
    "gateway_upstream_calls_active", Kind.GAUGE, "Calls that have an upstream connection."
)
UPSTREAM_ACTIVE_MAX = Family(
    "gateway_upstream_calls_active_max", Kind.GAUGE, "Upstream connections that there may be."
)
BREAKER = Family(
    "gateway_upstream_breaker_workers",
    Kind.GAUGE,
    "Workers whose circuit breaker is in this state.",
    (Label("state", ("closed", "open", "half-open")),),
)
BREAKER_OPENED = Family(
    "gateway_upstream_breaker_openings_total", Kind.COUNTER, "Times a circuit breaker opened."
)
LOOP_LAG = Family(
    "gateway_event_loop_lag_seconds",
    Kind.HISTOGRAM,
    "How late a timer of the event loop was, twice a second.",
    (),
    _LAGS,
)
LOG_DROPPED = Family(
    "gateway_log_lines_dropped_total",
    Kind.COUNTER,
    "Log lines given up because standard output did not take them.",
)
WORKER_RESTARTS = Family(
    "gateway_worker_restarts_total",
    Kind.COUNTER,
    "Workers started in the place of one that had ended.",
)

FAMILIES = (
    *(HTTP_REQUESTS, HTTP_DURATION, HTTP_IN_FLIGHT, HTTP_IN_FLIGHT_MAX, HTTP_PROBLEMS),
    *(RATE_LIMITED, REPLAYS, VERIFICATIONS, KEY_REFRESHES),
    *(LOOKUPS, EVICTIONS, CACHED, CACHED_MAX),
    *(UPSTREAM_CALLS, UPSTREAM_DURATION, UPSTREAM_ATTEMPTS),
    *(UPSTREAM_WAITING, UPSTREAM_ACTIVE, UPSTREAM_ACTIVE_MAX),
    *(BREAKER, BREAKER_OPENED, LOOP_LAG, LOG_DROPPED, WORKER_RESTARTS),
)
"""What each worker measures, in the order in which it is shown."""
