"""Stores behind the domain's ports."""

from .local_idempotency_store import LocalIdempotencyStore

__all__ = ["LocalIdempotencyStore"]
