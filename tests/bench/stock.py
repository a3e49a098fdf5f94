"""The gateway on httpx's stock transport, for comparison."""

import os
import sys

import httpx
from litestar.types import ASGIApp

from gateway import app
from gateway.metrics import Metrics
from gateway.settings import load


def build() -> ASGIApp:
    """Build it from the environment."""
    settings = load(os.environ)
    limits = httpx.Limits(max_connections=settings.upstream_connections, keepalive_expiry=60)
    transport = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)
    telemetry = app.telemetry_to(sys.stdout.buffer, settings)
    return app.build(settings, telemetry, Metrics(), transport=transport)
