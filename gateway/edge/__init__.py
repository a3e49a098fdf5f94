"""HTTP: the outer layer, routes, authentication, problem details, health and the documentation."""

from .application import build_application
from .health import Checks
from .openapi import openapi_json
from .problems import PROBLEMS

__all__ = ["PROBLEMS", "Checks", "build_application", "openapi_json"]
