"""The vendor's service: signature, wire format, dialects, the client and its transport."""

from .breaker import BREAKER_STATES, Breaker
from .call import Call, Send, Step, deadline_in
from .client import QliveClient
from .client_api import READER, QliveClientApi
from .clock_skew import ClockSkew, skew_of
from .connection_limiter import ConnectionLimiter
from .database_check import DatabaseCheck, database_is_up
from .dialects import Operation, accept
from .faults import Fault
from .fetch import fetch
from .pipeline import pipeline
from .reply import Reply
from .reqwest_transport import build_transport
from .send import transmit
from .signature import QiniuSigner
from .timezone import TimezoneCheck
from .transport import Transport, over_httpx
from .vendor_tokens import LIFETIME, ask_for_token, decode_token

__all__ = [
    "BREAKER_STATES",
    "LIFETIME",
    "READER",
    "Breaker",
    "Call",
    "ClockSkew",
    "ConnectionLimiter",
    "DatabaseCheck",
    "Fault",
    "Operation",
    "QiniuSigner",
    "QliveClient",
    "QliveClientApi",
    "Reply",
    "Send",
    "Step",
    "TimezoneCheck",
    "Transport",
    "accept",
    "ask_for_token",
    "build_transport",
    "database_is_up",
    "deadline_in",
    "decode_token",
    "fetch",
    "over_httpx",
    "pipeline",
    "skew_of",
    "transmit",
]
