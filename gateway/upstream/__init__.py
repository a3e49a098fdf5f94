"""The vendor's service: signature, wire format, dialects, the client and its transport."""

from .breaker import BREAKER_STATES, Breaker
from .call import Call, Send, Step
from .client import QliveClient
from .connection_limiter import ConnectionLimiter
from .dialects import Operation
from .fetch import fetch
from .pipeline import pipeline
from .probe import Probe, probe
from .reply import Reply
from .send import transmit
from .signature import QiniuSigner
from .transport import Transport, build_transport

__all__ = [
    "BREAKER_STATES",
    "Breaker",
    "Call",
    "ConnectionLimiter",
    "Operation",
    "Probe",
    "QiniuSigner",
    "QliveClient",
    "Reply",
    "Send",
    "Step",
    "Transport",
    "build_transport",
    "fetch",
    "pipeline",
    "probe",
    "transmit",
]
