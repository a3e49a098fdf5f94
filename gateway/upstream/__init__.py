"""The vendor's service: signature, wire format, dialects, the client and its transport."""

from .client import QliveClient
from .probe import Probe, probe
from .send import Send, attempt
from .signature import QiniuAuth
from .transport import Transport, build_transport

__all__ = [
    "Probe",
    "QiniuAuth",
    "QliveClient",
    "Send",
    "Transport",
    "attempt",
    "build_transport",
    "probe",
]
