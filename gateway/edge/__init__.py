"""HTTP: the outer layer, routes, authentication, problem details, health and the documentation."""

from .answers import encode_room
from .application import build_application
from .health import Checks
from .openapi import openapi_json
from .problems import PROBLEMS

__all__ = ["PROBLEMS", "Checks", "build_application", "encode_room", "openapi_json"]
