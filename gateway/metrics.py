"""Every metric of a worker, each declared in one statement.

Names and units follow Prometheus' conventions. A label lists all its values, mostly from the code
that owns them, so clients cannot add series. An unlisted value counts as `other` where the label
has one, and raises KeyError elsewhere.
"""

from gateway.edge import PROBLEMS, ROUTES
from gateway.events import EVENTS, End
from gateway.identity import KEY_SET_STATES
from gateway.rooms import (
    AnchorNotRegistered,
    Beat,
    HintOutcome,
    LookupResult,
    NotRoomAnchor,
    OutcomeUnknown,
    RoomEnded,
    RoomNotFound,
    RoomNotLive,
    TokenFault,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.shared_store import CALL_OUTCOMES, STORE_STATES
from gateway.telemetry import OTHER, UNMATCHED, DeclaredMetrics, counter, gauge, histogram
from gateway.upstream import BREAKER_STATES, Operation

_ROUTES = (*ROUTES, UNMATCHED, OTHER)
_SUCCESSES = (200, 201, 204, 304)
_STATUSES = tuple(sorted({*_SUCCESSES, *(each.status for each in PROBLEMS.values())}))
_REFUSALS = (RoomNotFound, RoomNotLive, RoomEnded, NotRoomAnchor, AnchorNotRegistered)
_FAILURES = (UpstreamError, UpstreamTimeout, UpstreamUnavailable, OutcomeUnknown)


class Metrics(DeclaredMetrics):
    """The metrics of a worker, in the order in which a scrape shows them."""

    http_requests = counter(
        "gateway_http_requests_total",
        "Requests by outcome; status gone: the client left before its response, or did not "
        "read it.",
        route=_ROUTES,
        method=("GET", "HEAD", "POST", "DELETE", "OPTIONS", OTHER),
        status=(*map(str, _STATUSES), "gone", OTHER),
        sparse=True,
    )
    http_duration = histogram(
        "gateway_http_request_duration_seconds",
        "Time from the head of a request to the end of its response.",
        (
            *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
            *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
        ),
        route=_ROUTES,
        sparse=True,
    )
    http_in_flight = gauge("gateway_http_requests_in_flight", "Requests in flight.")
    http_in_flight_max = gauge(
        "gateway_http_requests_in_flight_max",
        "Limit of requests in flight; more are refused as overloaded.",
    )
    http_problems = counter(
        "gateway_http_problems_total", "Problems sent to clients, by code.", code=PROBLEMS
    )
    share_refusals = counter(
        "gateway_share_refusals_total",
        "Refusals because one user has too much under way: requests in flight, or calls upstream.",
        share=("requests", "upstream"),
    )
    rate_limited = counter(
        "gateway_rate_limit_refusals_total",
        "Requests refused by a rate limit.",
        limit=("reads", "writes", "failed_auth"),
    )
    replays = counter(
        "gateway_idempotent_replays_total", "Creates answered with the outcome of an earlier one."
    )
    idempotency_evictions = counter(
        "gateway_idempotency_evictions_total",
        "Outcomes of creates forgotten before their 24 hours, for want of space.",
    )
    callbacks = counter(
        "gateway_callbacks_total",
        "Callbacks of the vendor: their rooms evicted, ignored as they tell of none, or dropped as "
        "too many were under way.",
        outcome=HintOutcome,
    )
    unknown_creates = counter(
        "gateway_unknown_creates_total",
        "Creates that were open when a callback told of their room: settled with it, or not, as "
        "the room was another or could not be read.",
        outcome=("settled", "not_settled"),
    )
    verifications = counter(
        "gateway_token_verifications_total",
        "Tokens checked; remembered: verified earlier.",
        outcome=("remembered", "verified", "invalid", "expired", "no_keys"),
    )
    token_refusals = counter(
        "gateway_token_refusals_total",
        "Requests refused with 401, by reason: the token's fault.",
        reason=TokenFault,
    )
    key_refreshes = counter(
        "gateway_key_refreshes_total",
        "Keys fetched from the issuer, or reloaded from files.",
        source=("jwks", "files"),
        outcome=("ok", "failed"),
    )
    key_sets = gauge(
        "gateway_issuer_key_sets",
        "Issuers' key sets in the workers, by state; stale: the last fetch failed, missing: none "
        "has succeeded.",
        state=KEY_SET_STATES,
    )
    lookups = counter(
        "gateway_cache_lookups_total",
        "Room lookups: from memory (hit, stale, missing) or the shared store (shared_hit), by a "
        "read (miss), by waiting for another's read (coalesced), by the room's anchor (bypass), or "
        "an old room after a failed read (stale_if_error).",
        result=LookupResult,
    )
    page_lookups = counter(
        "gateway_live_page_lookups_total",
        "Lookups of pages of living rooms, with the results of room lookups.",
        result=LookupResult,
    )
    heartbeats = counter(
        "gateway_heartbeats_total",
        "Heartbeats of rooms: told to the vendor, or spared, as one was told within the minute.",
        outcome=Beat,
    )
    evictions = counter(
        "gateway_cache_evictions_total",
        "Rooms, and pages of living rooms, evicted for want of capacity, or rooms after a write: a "
        "start, a stop, a delete or a callback, to any process.",
        reason=("capacity", "write"),
    )
    cached = gauge(
        "gateway_cache_rooms", "Rooms and unknown ids in the cache.", kind=("known", "unknown")
    )
    cached_max = gauge("gateway_cache_rooms_max", "Limit of rooms and unknown ids in the cache.")
    cached_bytes = gauge("gateway_cache_bytes", "Bytes of encoded rooms in the cache.")
    cached_bytes_max = gauge(
        "gateway_cache_bytes_max", "Limit of the bytes of encoded rooms in the cache."
    )
    upstream_calls = counter(
        "gateway_upstream_calls_total",
        "Upstream calls by outcome; a call with a retry counts once.",
        operation=Operation,
        outcome=(
            *("ok", *(error.code for error in _REFUSALS)),
            *("credentials_refused", "token_refused"),
            *(*(error.code for error in _FAILURES), "abandoned"),
        ),
    )
    upstream_duration = histogram(
        "gateway_upstream_call_duration_seconds",
        "Time of an upstream call, with the wait for a connection and any retry.",
        (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0),
        operation=Operation,
    )
    upstream_attempts = counter(
        "gateway_upstream_attempts_total",
        "Requests sent upstream, by outcome: a reply, one that reports an outage or overload, no "
        "connection, a broken one, no reply in time, or cancelled.",
        outcome=("reply", "unavailable", "not_connected", "broken", "timeout", "abandoned"),
    )
    push_url_repeats = counter(
        "gateway_upstream_push_url_repeats_total",
        "Rooms received with their push_url in another field, which was emptied.",
    )
    upstream_waiting = gauge(
        "gateway_upstream_calls_waiting", "Calls waiting for an upstream connection."
    )
    upstream_active = gauge(
        "gateway_upstream_calls_active", "Calls holding an upstream connection."
    )
    upstream_active_max = gauge(
        "gateway_upstream_calls_active_max", "Limit of upstream connections."
    )
    breaker = gauge(
        "gateway_upstream_breaker_workers",
        "Workers by the state of their circuit breaker.",
        state=BREAKER_STATES,
    )
    breaker_opened = counter(
        "gateway_upstream_breaker_openings_total", "Times a circuit breaker opened."
    )
    store_workers = gauge(
        "gateway_store_workers",
        "Workers by the state of the shared store, none without one.",
        state=STORE_STATES,
    )
    store_calls = counter(
        "gateway_store_calls_total",
        "Calls to the shared store: answered, failed, late, or refused at once while it is down.",
        outcome=CALL_OUTCOMES,
    )
    store_duration = histogram(
        "gateway_store_pipeline_duration_seconds",
        "Time of a pipeline to the shared store, which carries one or more calls.",
        (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25),
    )
    store_unsent = gauge("gateway_store_calls_waiting", "Calls kept until the store is back.")
    streams = gauge("gateway_event_streams_active", "Event streams that are open.")
    streams_max = gauge("gateway_event_streams_active_max", "Limit of event streams that are open.")
    streams_rooms = gauge("gateway_event_streams_rooms", "Rooms that event streams watch.")
    streams_opened = counter("gateway_event_streams_opened_total", "Event streams opened.")
    streams_ended = counter(
        "gateway_event_streams_ended_total",
        "Event streams that ended, by reason; slow: the client did not read, gone: it left.",
        reason=End,
    )
    events_sent = counter(
        "gateway_events_sent_total", "Events sent on event streams.", event=EVENTS
    )
    loop_lag = histogram(
        "gateway_event_loop_lag_seconds",
        "Delay of a timer in the event loop, sampled twice a second.",
        (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
    )
    log_dropped = counter(
        "gateway_log_lines_dropped_total", "Log lines dropped: standard output was too slow."
    )
    worker_restarts = counter(
        "gateway_worker_restarts_total",
        "Workers started to replace one that had ended, or no longer responded.",
        reason=("ended", "unresponsive"),
    )
