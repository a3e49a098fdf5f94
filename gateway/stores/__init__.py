"""Stores behind the domain's ports."""

from .local_rate_limiter import LocalRateLimiter

__all__ = ["LocalRateLimiter"]
