"""The vendor's service: signature, wire format, dialects, the client and its transport."""

from .breaker import Breaker
from .client import QliveClient
from .fetch import fetch
from .pipeline import attempt, pipeline
from .probe import Probe, probe
from .send import Send
from .signature import QiniuAuth
from .transport import Transport, build_transport

__all__ = [
    "Breaker",
    "Probe",
    "QiniuAuth",
    "QliveClient",
    "Send",
    "Transport",
    "attempt",
    "build_transport",
    "fetch",
    "pipeline",
    "probe",
]
