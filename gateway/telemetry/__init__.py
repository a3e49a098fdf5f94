"""The machinery of logs and metrics. Imports nothing else of the gateway."""

from .access import AccessLog, RequestLine, Telemetry, as_event, as_json, caller_ids
from .declaration import DeclaredMetrics, counter, families, gauge, histogram
from .exposition import Exposition
from .family import OTHER, UNMATCHED, Family, Kind
from .instruments import Counter, Histogram
from .logs import SinkHandler, build_logger
from .metrics_server import metrics_at
from .private_request import PrivateRequest
from .request_context import (
    RequestContext,
    UpstreamCall,
    current_calls,
    current_request,
    current_request_id,
    note_call,
)
from .sampling import sampling
from .shared_metrics import SharedMetrics
from .sink import STDOUT, Sink, Stream
