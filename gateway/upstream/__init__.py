"""The vendor's service: signature, wire format, dialects, the client and its transport."""

from .breaker import BREAKER_STATES, Breaker
from .client import QliveClient
from .connection_limiter import ConnectionLimiter
from .dialects import Operation, accept, envelope_of
from .faults import Fault
from .fetch import fetch
from .pipeline import attempt, pipeline
from .send import Reply, Send
from .signature import QiniuAuth, SignedRequest
from .transport import Transport, build_transport

__all__ = [
    "BREAKER_STATES",
    "Breaker",
    "ConnectionLimiter",
    "Fault",
    "Operation",
    "QiniuAuth",
    "QliveClient",
    "Reply",
    "Send",
    "SignedRequest",
    "Transport",
    "accept",
    "attempt",
    "build_transport",
    "envelope_of",
    "fetch",
    "pipeline",
]
