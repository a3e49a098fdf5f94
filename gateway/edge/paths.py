"""The paths of the public listener, each written once, with parameters as `{name}`."""

import re

from gateway import callback_url

ROOMS = "/v1/rooms"
ROOM = f"{ROOMS}/{{live_id}}"
STOP = f"{ROOM}/stop"
START = f"{ROOM}/start"
HEARTBEAT = f"{ROOM}/heartbeat"
EVENTS = f"{ROOM}/events"
LIVE_ROOMS = "/v1/live-rooms"
CALLBACK = callback_url.PATH
HEALTH = "/healthz"
READINESS = "/readyz"
INDEX = "/"
DOCS = "/docs"
DOCS_FILE = f"{DOCS}/{{name}}"
OPENAPI = "/openapi.json"
RESOURCE = "/.well-known/oauth-protected-resource"

LONGEST_PATH = 256
"""Characters of a decoded path; the longest route with the longest id has half as many."""

PROBES = frozenset({HEALTH, READINESS})
"""The paths that load balancers and orchestrators ask every second."""


def as_route(path: str) -> str:
    """Return `path` as Litestar writes it: `{live_id}` is `{live_id:str}`."""
    return re.sub(r"\{(\w+)\}", r"{\1:str}", path)
