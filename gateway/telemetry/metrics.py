"""What a worker measures, each thing by its name."""

from . import families
from .instruments import Counter, Gauge, Histogram
from .shared_metrics import SharedMetrics


class Metrics:
    """Instruments over `block`; by default over one that nobody else sees."""

    def __init__(self, block: SharedMetrics | None = None) -> None:
        block = block or SharedMetrics()
        self.http_requests = Counter(block, families.HTTP_REQUESTS)
        self.http_duration = Histogram(block, families.HTTP_DURATION)
        self.http_in_flight = Gauge(block, families.HTTP_IN_FLIGHT)
        self.http_in_flight_max = Gauge(block, families.HTTP_IN_FLIGHT_MAX)
        self.http_problems = Counter(block, families.HTTP_PROBLEMS)
        self.rate_limited = Counter(block, families.RATE_LIMITED)
        self.replays = Counter(block, families.REPLAYS)
        self.verifications = Counter(block, families.VERIFICATIONS)
        self.key_refreshes = Counter(block, families.KEY_REFRESHES)
        self.lookups = Counter(block, families.LOOKUPS)
        self.evictions = Counter(block, families.EVICTIONS)
        self.cached = Gauge(block, families.CACHED)
        self.cached_max = Gauge(block, families.CACHED_MAX)
        self.upstream_calls = Counter(block, families.UPSTREAM_CALLS)
        self.upstream_duration = Histogram(block, families.UPSTREAM_DURATION)
        self.upstream_attempts = Counter(block, families.UPSTREAM_ATTEMPTS)
        self.upstream_waiting = Gauge(block, families.UPSTREAM_WAITING)
        self.upstream_active = Gauge(block, families.UPSTREAM_ACTIVE)
        self.upstream_active_max = Gauge(block, families.UPSTREAM_ACTIVE_MAX)
        self.breaker = Gauge(block, families.BREAKER)
        self.breaker_opened = Counter(block, families.BREAKER_OPENED)
        self.loop_lag = Histogram(block, families.LOOP_LAG)
        self.log_dropped = Counter(block, families.LOG_DROPPED)
        self.worker_restarts = Counter(block, families.WORKER_RESTARTS)
