"""HTTP: the outer layer, routes, authentication, problem details, health and the documentation."""

from .admin import AdminHandlers
from .answers import NO_STORE, Answer, encode_page, encode_room, encoded, json
from .application import build_application
from .client_address import ClientAddress
from .cookie import TokenCookie
from .cors import Cors
from .docs import POLICY, Document, PublicRequest, is_local
from .examples import ROOM as EXAMPLE_ROOM
from .in_flight import InFlight
from .live_handlers import LiveHandlers
from .openapi import openapi_json
from .operations import Route, bound
from .paths import PROBES
from .problems import PROBLEMS, NotFound
from .protected_resource import ProtectedResource
from .rate_limits import RateLimits
from .recorder import HintRecorder, Recorder, write_recorder
from .routes import ROUTES
from .token_refusals import TokenRefusals
