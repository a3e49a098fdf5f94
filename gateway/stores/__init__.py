"""Stores behind the domain's ports."""

from .local_idempotency_store import LocalIdempotencyStore
from .local_open_creates import LocalOpenCreates
from .local_rate_limiter import LocalRateLimiter
from .settled_rate_limiter import SettledRateLimiter
from .shared_idempotency_store import SharedIdempotencyStore
from .shared_open_creates import SharedOpenCreates
from .shared_rate_limiter import SharedRateLimiter
from .shared_recent_writes import SharedRecentWrites
