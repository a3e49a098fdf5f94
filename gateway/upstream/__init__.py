"""The vendor's service: signature, wire format, dialects, the client and its transport."""

from .breaker import BREAKER_STATES, Breaker
from .call import Call, Send, Step, deadline_in
from .client import QliveClient
from .clock_skew import ClockSkew, with_clock_skew
from .connection_limiter import ConnectionLimiter
from .dialects import Operation, accept
from .faults import Fault
from .fetch import fetch
from .pipeline import pipeline
from .reply import Reply
from .send import transmit
from .signature import QiniuSigner
from .timezone import TimezoneCheck
from .transport import Transport, build_transport

__all__ = [
    "BREAKER_STATES",
    "Breaker",
    "Call",
    "ClockSkew",
    "ConnectionLimiter",
    "Fault",
    "Operation",
    "QiniuSigner",
    "QliveClient",
    "Reply",
    "Send",
    "Step",
    "TimezoneCheck",
    "Transport",
    "accept",
    "build_transport",
    "deadline_in",
    "fetch",
    "pipeline",
    "transmit",
    "with_clock_skew",
]
