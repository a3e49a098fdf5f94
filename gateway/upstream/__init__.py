"""The vendor's service: signature, wire format, dialects, the client and its transport."""

from .breaker import BREAKER_STATES, Breaker
from .client import QliveClient
from .connection_limiter import ConnectionLimiter
from .dialects import Operation
from .fetch import fetch
from .pipeline import attempt, pipeline
from .probe import Probe, probe
from .send import Reply, Send
from .signature import QiniuAuth
from .transport import Transport, build_transport

__all__ = [
    "BREAKER_STATES",
    "Breaker",
    "ConnectionLimiter",
    "Operation",
    "Probe",
    "QiniuAuth",
    "QliveClient",
    "Reply",
    "Send",
    "Transport",
    "attempt",
    "build_transport",
    "fetch",
    "pipeline",
    "probe",
]
