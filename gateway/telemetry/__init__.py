"""What the gateway tells its operator: logs and metrics. Imports nothing else of the gateway."""

from .access import AccessLog, as_event, as_json, caller_ids
from .block import Block
from .calls import UpstreamCall, note_call, note_calls
from .exposition import Exposition
from .families import FAMILIES, UNMATCHED, Family, Kind
from .instruments import Counter, Gauge, Histogram
from .listener import metrics_at
from .logs import ServerLine, build_logger
from .metrics import Metrics
from .sampling import sampling
from .sink import Sink, Stream
from .telemetry import Telemetry

__all__ = [
    "FAMILIES",
    "UNMATCHED",
    "AccessLog",
    "Block",
    "Counter",
    "Exposition",
    "Family",
    "Gauge",
    "Histogram",
    "Kind",
    "Metrics",
    "ServerLine",
    "Sink",
    "Stream",
    "Telemetry",
    "UpstreamCall",
    "as_event",
    "as_json",
    "build_logger",
    "caller_ids",
    "metrics_at",
    "note_call",
    "note_calls",
    "sampling",
]
