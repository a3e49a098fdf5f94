"""HTTP: the outer layer, routes, authentication, problem details, health and the documentation."""

from .admin import AdminHandlers
from .answers import encode_page, encode_room
from .application import build_application
from .client_address import ClientAddress
from .cookie import TokenCookie
from .cors import Cors
from .in_flight import InFlight
from .live_handlers import LiveHandlers
from .openapi import openapi_json
from .paths import PROBES
from .problems import PROBLEMS
from .protected_resource import ProtectedResource
from .rate_limits import RateLimits
from .recorder import HintRecorder, Recorder, write_recorder
from .routes import ROUTES
from .token_refusals import TokenRefusals
