"""Stores behind the domain's ports."""

from .local_idempotency_store import LocalIdempotencyStore
from .local_rate_limiter import LocalRateLimiter
from .shared_idempotency_store import SharedIdempotencyStore
from .shared_recent_writes import SharedRecentWrites
