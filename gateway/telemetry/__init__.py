"""What the gateway tells its operator: logs and metrics. Imports nothing else of the gateway."""

from .access import AccessLog, as_event, as_json, caller_ids
from .bundle import Telemetry
from .exposition import Exposition
from .families import FAMILIES, UNMATCHED, Family, Kind
from .instruments import Counter, Gauge, Histogram
from .logs import ServerLine, build_logger
from .metrics import Metrics
from .metrics_server import metrics_at
from .request_context import RequestContext, UpstreamCall, current_request_id, note_call
from .sampling import sampling
from .shared_metrics import SharedMetrics
from .sink import Sink, Stream

__all__ = [
    "FAMILIES",
    "UNMATCHED",
    "AccessLog",
    "Counter",
    "Exposition",
    "Family",
    "Gauge",
    "Histogram",
    "Kind",
    "Metrics",
    "RequestContext",
    "ServerLine",
    "SharedMetrics",
    "Sink",
    "Stream",
    "Telemetry",
    "UpstreamCall",
    "as_event",
    "as_json",
    "build_logger",
    "caller_ids",
    "current_request_id",
    "metrics_at",
    "note_call",
    "sampling",
]
