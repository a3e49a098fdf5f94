"""The HTTP server, granian: supervised workers for `serve`, one in this process for the sandbox.

HTTP/1.1 and ASGI only. What a connection may do before the application sees it is in `limits`,
how a gateway of several processes starts and stops in `supervisor` and `stopping`.
"""

from .embedded import listening
from .graceful_shutdown import Application, GracefulShutdown
from .port import LOOPBACK, PortTaken, authority, require_free
from .supervisor import serve

__all__ = [
    "LOOPBACK",
    "Application",
    "GracefulShutdown",
    "PortTaken",
    "authority",
    "listening",
    "require_free",
    "serve",
]
